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

/** A table that may go, and what it has to do with others. */
export interface Subject {
  /** Qualified and quoted, as are all names of tables here. */
  readonly table: string;
  /** A pending migration drops it, or waits to be allowed to; else it is the verdict of the audit. */
  readonly fate: 'goes' | 'waits' | 'candidate' | 'ask';
  /** Null where only the audit speaks of it. */
  readonly migration: string | null;
  readonly rows: string;
  /** What is its own and goes along. */
  readonly own: readonly Kind[];
  /** What belongs to others and would go along, the nearest first. */
  readonly along: readonly Other[];
  readonly refersTo: readonly Reference[];
  readonly referredBy: readonly Reference[];
  /** Functions that name it in their text: they would stay, and fail. */
  readonly inText: readonly string[];
}

/** A foreign key, and the table at its other end. */
export interface Reference {
  readonly key: string;
  readonly table: string;
}

export interface Graph {
  readonly subjects: readonly Subject[];
  /** Which of those that go along needs which, or which table. */
  readonly needs: readonly Need[];
}

/** The tables of pending migrations and those that the audit calls candidates or asks about, with their surroundings. */
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
  // As edges between tables, keys are there already.
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

  const subjects = [...chosen].flatMap(([table, what]): Subject[] => {
    const audit = tables.get(table)?.audit;
    if (audit === undefined) return [];
    const { rows, evidence } = audit;
    return [
      {
        table,
        ...what,
        rows: describeRows(rows, evidence.rowsEstimated),
        own: own.get(table) ?? [],
        along: reach(table, dependents).flatMap((name) => others.get(name) ?? []),
        refersTo: (out.get(table) ?? []).map(({ key, to }) => ({ key, table: to })),
        referredBy: (into.get(table) ?? []).map(({ key, from }) => ({ key, table: from })),
        inText: evidence.functions.flatMap((one) =>
          one.endsWith(inText) ? one.slice(0, -inText.length) : [],
        ),
      },
    ];
  });
  return { subjects, needs };
}

/** Partitions are left to the table that they are parts of. */
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
  // Those of a migration that goes without them.
  for (const one of migrations.flatMap(({ migration, tables }) =>
    tables.map((table) => ({ ...table, migration })),
  )) {
    const sql = one.approved === false ? findTable(one.table, tables, path) : undefined;
    if (sql !== undefined && !chosen.has(sql)) chosen.set(sql, { fate: 'waits', migration: one.migration });
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

/** A name as a migration writes it; without a schema it is looked for along the search path. */
function findTable(
  written: string,
  tables: ReadonlyMap<string, KnownTable>,
  path: readonly string[],
): string | undefined {
  const { schema, name } = parseTableName(written);
  const named = [...tables].filter(([, { audit }]) => audit.name === name);
  return (schema === undefined ? path : [schema]).flatMap((one) =>
    named.flatMap(([sql, { audit }]) => (audit.schema === one ? sql : [])),
  )[0];
}
