import pg from 'pg';
import { clientConfig } from './connection.ts';
import type { Settings } from './settings.ts';
import { attempts } from './tls.ts';
import { isRejected, unreachable } from './unreachable.ts';

/**
 * Returns the settings with another sslmode in place of `allow` and `prefer`: the first with which the server accepts a
 * connection, in the order of libpq. `pg` cannot fall back, and pg_dump must use the same mode.
 *
 * @throws UndropError `no-connection` if it accepts neither
 */
export async function settleTls(settings: Settings): Promise<Settings> {
  const [first, second] = attempts(settings.ssl).map((ssl) => ({ ...settings, ssl }));
  if (first === undefined || second === undefined) return settings;
  try {
    await tryOut(first);
    return first;
  } catch (error) {
    if (!isRejected(error)) throw unreachable(error, first);
    try {
      await tryOut(second);
      return second;
    } catch (secondError) {
      // A password that both reject is a better reason than the encryption that one of them does not have.
      throw isPassword(error) ? unreachable(error, first) : unreachable(secondError, second);
    }
  }
}

async function tryOut(settings: Settings): Promise<void> {
  const client = new pg.Client(clientConfig({ settings, embedded: undefined }));
  client.on('error', () => undefined);
  // After an error, the connection is closed already, and end() might not return.
  await client.connect();
  await client.end();
}

function isPassword(error: unknown): boolean {
  return (error as { code?: string }).code === '28P01';
}
