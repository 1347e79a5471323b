import type { Closure } from '../catalog/closure.ts';
import { sqlState } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { withProgress } from '../text/progress.ts';

const serversSql = /* sql */ `
  select pg_catalog.format('%I.%I', n.nspname, c.relname) as name, pg_catalog.quote_ident(s.srvname) as server
  from pg_catalog.pg_foreign_table as f
  join pg_catalog.pg_class as c on c.oid = f.ftrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_foreign_server as s on s.oid = f.ftserver
  where c.oid = any ($1)
  order by n.nspname, c.relname`;

interface ForeignTable {
  readonly name: string;
  readonly server: string;
}

function readForeignTables(session: Session, { members }: Closure): Promise<ForeignTable[]> {
  const relations = members.filter(({ catalog, objsubid }) => catalog === 'pg_class' && objsubid === 0);
  return session.read<ForeignTable>(serversSql, [relations.map(({ objid }) => objid)]);
}

/** A foreign table that is not empty, or may not be. */
export interface ForeignRows {
  /** Qualified. */
  readonly identity: string;
  readonly found: string;
  readonly server: string;
}

/** The foreign tables of the closure that have rows, or may have: a drop leaves the rows where they are. */
export async function findForeignRows(session: Session, closure: Closure): Promise<ForeignRows[]> {
  const filled: ForeignRows[] = [];
  const tables = await readForeignTables(session, closure);
  const asking = withProgress('look for rows of foreign tables', tables, ({ name }) => name);
  for await (const { name, server } of asking) {
    const found = await ask(session, name);
    if (found !== undefined) filled.push({ identity: name, found: `${found} on server ${server}`, server });
  }
  return filled;
}

/** Asks the server of a foreign table whether it has rows. Returns undefined if it has none. */
async function ask(session: Session, table: string): Promise<string | undefined> {
  try {
    const [row] = await session.attempt(() =>
      // The savepoint restores the setting.
      session.rehearse(async () => {
        await session.run(`set local statement_timeout = '5s'`);
        return session.read<{ filled: boolean }>(`select exists (select from only ${table}) as filled`);
      }),
    );
    return row?.filled === false ? undefined : 'has rows';
  } catch (error) {
    if (sqlState(error) === undefined) throw error;
    return `may have rows, which could not be read (${(error as Error).message}),`;
  }
}

/** Says on which servers the rows of foreign tables stay; undefined if there are no foreign tables. */
export async function describeForeignRows(session: Session, closure: Closure): Promise<string | undefined> {
  const tables = await readForeignTables(session, closure);
  if (tables.length === 0) return undefined;
  const places = tables.map(({ name, server }) => `those of ${name} on server ${server}`);
  return `rows of foreign tables are not copied, and stay where they are: ${places.join(', ')}`;
}
