import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UndropError } from '../errors.ts';
import { projectFolder } from '../text/project-folder.ts';
import { envFile } from './env-file.ts';
import { namesServer, naming } from './names-server.ts';
import { readSettings } from './settings.ts';
import { settleTls } from './settle-tls.ts';
import type { Target } from './target.ts';

export interface TargetOptions {
  /** A folder of the project. Default: the current one. */
  from?: string;
  /** Whether the embedded server may be used without UNDROP_EMBEDDED and without an existing database: for seeds. */
  seeds?: boolean;
}

/**
 * The server that the environment names. Without one, the embedded server in `.undrop` of the project folder, which is
 * started, if it has a database already, UNDROP_EMBEDDED is 1, or seeds are to create it; never in production.
 *
 * @throws UndropError `no-connection` if there is none, or settings cannot be read
 */
export async function findTarget(
  env: NodeJS.ProcessEnv = process.env,
  { from, seeds = false }: TargetOptions = {},
): Promise<Target> {
  if (namesServer(env)) return { settings: await settleTls(readSettings(env)), embedded: undefined };
  const folder = join(projectFolder(from), '.undrop');
  const wanted = seeds || env.UNDROP_EMBEDDED === '1' || existsSync(join(folder, 'pgdata/PG_VERSION'));
  if (!wanted || env.NODE_ENV === 'production') throw noDatabase(env, from);
  const { startEmbedded } = await import('./embedded.ts');
  const embedded = await startEmbedded(folder);
  return { settings: { ...embedded.settings, ssl: { mode: 'disable' } }, embedded };
}

function noDatabase(env: NodeJS.ProcessEnv, from: string | undefined): UndropError {
  const file = envFile(from);
  const missing = existsSync(file) ? '' : ', which does not exist,';
  const production = env.NODE_ENV === 'production';
  return new UndropError('no-connection', {
    subject: 'DATABASE_URL',
    message: 'No database is named.',
    reason:
      `Neither the environment nor ${file}${missing} sets one of ${naming.join(', ')}.` +
      (production ? ' NODE_ENV is production, so the embedded server is not used.' : ''),
    next:
      'Set DATABASE_URL, or PGHOST, PGDATABASE and PGUSER.' +
      (production ? '' : ' For an embedded database, set UNDROP_EMBEDDED=1.'),
  });
}
