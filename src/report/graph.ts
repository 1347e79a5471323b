import type { Evidence } from '../audit/audit.ts';
import { describeRows } from '../audit/ghost-rules.ts';
import { inText } from '../audit/table-evidence.ts';
import { readClosure, readEdges } from '../catalog/closure.ts';
import { parseTableName } from '../options/table-name.ts';
import type { MigrationPreflight } from '../preflight/preflight.ts';
import type { Session } from '../session/session.ts';
import { groupBy } from '../text/group-by.ts';
import { contract, type Kind, type Need, type Other, reach } from './contract.ts';
import type { KnownTable } from './known-tables.ts';

/** A table that a pending migration drops, or that the audit lists as candidate or ask, with its relationships. */
export interface Subject {
  /** Qualified and quoted, like all table names here. */
  readonly table: string;
  /** `goes`: a pending migration drops it; `waits`: the migration waits for approval; else the verdict of the audit. */
  readonly fate: 'goes' | 'waits' | 'candidate' | 'ask';
  /** Null if no pending migration drops it. */
  readonly migration: string | null;
  readonly rows: string;
  /** Its own objects, which are dropped with it. */
  readonly own: readonly Kind[];
  /** The dependent objects that would be dropped too, direct dependents first. */
  readonly along: readonly Other[];
  readonly refersTo: readonly Reference[];
  readonly referredBy: readonly Reference[];
  /** Functions whose body names it. They would not be dropped, but would fail. */
  readonly inText: readonly string[];
}

/** A foreign key and the table at its other end. */
export interface Reference {
  readonly key: string;
  readonly table: string;
}

export interface Graph {
  readonly subjects: readonly Subject[];
  /** The dependencies between dependent objects, and from these to tables. */
  readonly needs: readonly Need[];
}

/** Reads the tables of pending migrations, and those with the verdict candidate or ask, with their relationships. */
export async function readGraph(
  session: Session,
  evidence: Evidence,
  tables: ReadonlyMap<string, KnownTable>,
  migrations: readonly MigrationPreflight[],
): Promise<Graph> {
  const chosen = choose(tables, migrations, evidence.path);
  const oids = [...chosen.keys()].flatMap((sql) => tables.get(sql)?.oid ?? []);
  const closure = await readClosure(session, oids);
  const names = new Map([...tables].map(([sql, { oid }]) => [oid, sql]));
  const keys = evidence.links.flatMap(({ kind, direction, identity, table, target }) =>
    kind === 'foreign key' && direction === 'out' && table !== target
      ? { key: identity, from: names.get(table) ?? '', to: names.get(target ?? 0) ?? '' }
      : [],
  );
  const out = groupBy(keys, ({ from }) => from);
  const into = groupBy(keys, ({ to }) => to);
  // Foreign keys are already edges between tables.
  const incoming = evidence.links.filter(
    ({ kind, direction }) => kind === 'foreign key' && direction === 'in',
  );
  const { own, others, needs } = contract(
    closure,
    await readEdges(session, closure),
    names,
    new Set(incoming.map(({ identity }) => identity)),
  );
  const dependents = groupBy(needs, ({ to }) => to);

  const subjects = [...chosen].flatMap(([table, status]): Subject[] => {
    const audit = tables.get(table)?.audit;
    if (audit === undefined) return [];
    const { rows, evidence } = audit;
    return [
      {
        table,
        ...status,
        rows: describeRows(rows, evidence.rowsEstimated),
        own: own.get(table) ?? [],
        along: reach(table, dependents).flatMap((name) => others.get(name) ?? []),
        refersTo: (out.get(table) ?? []).map(({ key, to }) => ({ key, table: to })),
        referredBy: (into.get(table) ?? []).map(({ key, from }) => ({ key, table: from })),
        inText: evidence.functions.flatMap((name) =>
          name.endsWith(inText) ? name.slice(0, -inText.length) : [],
        ),
      },
    ];
  });
  return { subjects, needs };
}

/** Chooses the subjects. A partition is left out if its partitioned table is chosen. */
function choose(
  tables: ReadonlyMap<string, KnownTable>,
  migrations: readonly MigrationPreflight[],
  path: readonly string[],
): Map<string, Pick<Subject, 'fate' | 'migration'>> {
  const chosen = new Map<string, Pick<Subject, 'fate' | 'migration'>>();
  for (const { migration, state, closure } of migrations) {
    const fate = state === 'waits' ? 'waits' : 'goes';
    for (const { kind, identity, dependent } of closure)
      if (kind === 'table' && !dependent && !chosen.has(identity)) chosen.set(identity, { fate, migration });
  }
  // The tables of a migration that are not approved.
  for (const table of migrations.flatMap(({ migration, tables }) =>
    tables.map((table) => ({ ...table, migration })),
  )) {
    const sql = table.approved === false ? findTable(table.table, tables, path) : undefined;
    if (sql !== undefined && !chosen.has(sql)) chosen.set(sql, { fate: 'waits', migration: table.migration });
  }
  for (const [sql, { audit }] of tables) {
    if (audit.verdict !== 'keep' && !chosen.has(sql))
      chosen.set(sql, { fate: audit.verdict, migration: null });
  }
  const oids = new Set([...chosen.keys()].map((sql) => tables.get(sql)?.oid));
  for (const sql of [...chosen.keys()]) {
    const parent = tables.get(sql)?.parent ?? null;
    if (parent !== null && oids.has(parent)) chosen.delete(sql);
  }
  return chosen;
}

/** Finds a table by its name in a migration. A name without a schema is resolved by the search path. */
function findTable(
  written: string,
  tables: ReadonlyMap<string, KnownTable>,
  path: readonly string[],
): string | undefined {
  const { schema, name } = parseTableName(written);
  const named = [...tables].filter(([, { audit }]) => audit.name === name);
  return (schema === undefined ? path : [schema]).flatMap((schemaName) =>
    named.flatMap(([sql, { audit }]) => (audit.schema === schemaName ? sql : [])),
  )[0];
}
