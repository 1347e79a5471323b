import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { UndropError } from '../errors.ts';
import { isParameter, unsupportedIn, type Values } from './parameters.ts';

/**
 * Reads the parameters of a service from the file that PGSERVICEFILE names, or ~/.pg_service.conf; or else from
 * pg_service.conf in the folder that PGSYSCONFDIR names.
 * https://www.postgresql.org/docs/current/libpq-pgservice.html
 *
 * @throws UndropError `no-connection` without the values in it, which may be passwords
 */
export function readService(service: string, env: NodeJS.ProcessEnv): Values {
  const files = [
    env.PGSERVICEFILE || join(homedir(), '.pg_service.conf'),
    ...(env.PGSYSCONFDIR ? [join(env.PGSYSCONFDIR, 'pg_service.conf')] : []),
  ];
  for (const file of files) {
    const found = existsSync(file) ? parse(service, file) : undefined;
    if (found !== undefined) return found;
  }
  throw badService(service, `It is not defined in ${files.join(' nor in ')}.`);
}

/** Returns the parameters of the service, or undefined if the file does not define it. */
function parse(service: string, file: string): Values | undefined {
  let found: Record<string, string> | undefined;
  let isWanted = false;
  for (const [index, line] of readLines(service, file).entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    if (text.startsWith('[')) {
      // As in libpq, only the first definition counts.
      if (isWanted) break;
      isWanted = text.startsWith(`[${service}]`);
      if (isWanted) found = {};
      continue;
    }
    if (found === undefined) continue;
    const [, name = '', value = ''] = /^([a-z_]+)=(.*)$/.exec(text) ?? [];
    if (!isParameter(name) || name === 'service')
      throw badService(
        service,
        `Line ${index + 1} of ${file} is not a parameter of a connection with its value.`,
      );
    found[name] ??= value;
  }
  if (found === undefined) return undefined;
  const [unsupported] = unsupportedIn(found, 'parameter');
  if (unsupported === undefined) return found;
  const { name, instead = '' } = unsupported;
  throw badService(service, `Its parameter ${name} in ${file} is not supported. ${instead}`.trimEnd());
}

function readLines(service: string, file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n');
  } catch (cause) {
    throw badService(service, (cause as Error).message, cause);
  }
}

function badService(service: string, reason: string, cause?: unknown): UndropError {
  return new UndropError('no-connection', {
    subject: service,
    message: `The connection service ${service} cannot be read.`,
    reason,
    next: 'Correct PGSERVICE, PGSERVICEFILE or the file.',
    cause,
  });
}
