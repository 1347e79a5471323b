import type { DropOptions } from '../options/options.ts';
import { parseOptions } from '../options/options.ts';
import type { Session } from '../session/session.ts';
import { list } from '../text/units.ts';
import { gate } from '../up/find-tables.ts';
import { planTables } from '../up/read-plan.ts';
import { adviseRows } from '../up/row-costs.ts';
import type { Draft } from './text.ts';

/** What a migration does with rows. */
const ways = {
  copy: 'copied into the archive, and restored with the tables',
  move: 'kept in the tables, which are moved into the archive and back',
} as const;

/**
 * Drafts a migration of the tables, with the options that they need in their current state.
 *
 * @param tables the reasons by the names of the tables
 * @throws UndropError `missing-table`, `not-a-table`, `extension-member`, `insufficient-privilege`
 */
export async function draftMigration(
  session: Session,
  name: string,
  tables: Readonly<Record<string, string>>,
  approval: 'none' | 'each-table',
): Promise<Draft> {
  const parsed = parseOptions({ name, tables });
  const { plan, closure } = await planTables(session, await gate(session, parsed), parsed.rows);
  const costs = await adviseRows(session, closure, parsed);
  const way = costs.some(({ advised }) => advised === 'move') ? 'move' : 'copy';
  const others = plan.closure.filter(({ dependent }) => dependent);
  const unexplained = Object.entries(tables).filter(([, reason]) => reason === '');
  const rows = plan.filled.map(({ identity, found }) => `${identity} (${found})`);
  const options: Draft['options'] = {
    name,
    tables,
    ...(others.length === 0 ? {} : { dependents: 'cascade' }),
    ...(rows.length === 0 ? {} : { rows: way }),
    ...(approval === 'none' ? {} : { approval }),
  };
  const notes: { -readonly [Key in keyof DropOptions]?: string } = {
    dependents: `Dropped and restored with the tables: ${list(others.map(({ kind, identity }) => `${kind} ${identity}`))}.`,
    rows: `Rows are ${ways[way]}: ${list(rows)}.`,
    approval: 'Only approved tables are dropped: undrop approve, or the variable APPROVED_DROPS.',
    ...(unexplained.length === 0
      ? {}
      : { tables: 'State why each table can be dropped; the reasons are kept in the archive.' }),
  };
  return { options, notes };
}
