import { UndropError } from '../errors.ts';
import { readSettings } from './settings.ts';
import { settleTls } from './settle-tls.ts';
import type { Target } from './target.ts';

/**
 * Returns the target of a URL that was given as the value of a command-line option.
 *
 * @param env variables for what the URL leaves open; default: none
 * @throws UndropError `bad-options` if the URL contains a password, `no-connection`
 */
export async function targetOfOption(
  option: string,
  url: string,
  env: NodeJS.ProcessEnv = {},
): Promise<Target> {
  if (readSettings({ DATABASE_URL: url }).password !== undefined)
    throw new UndropError('bad-options', {
      subject: option,
      message: `The URL of ${option} must not contain a password.`,
      reason: 'All users of the host can read the arguments of a program.',
      next: 'Remove the password from the URL, and put it in ~/.pgpass or in the file that PGPASSFILE names.',
    });
  return { settings: await settleTls(readSettings({ ...env, DATABASE_URL: url })), embedded: undefined };
}
