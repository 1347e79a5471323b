/** The variables that name a server, user or database. */
export const naming = ['DATABASE_URL', 'PGHOST', 'PGPORT', 'PGDATABASE', 'PGUSER', 'PGSERVICE'] as const;

/** Returns whether the environment names a server. */
export function namesServer(env: NodeJS.ProcessEnv): boolean {
  return [...naming, 'PGHOSTADDR'].some((name) => env[name]);
}
