import type pg from 'pg';
import {
  type Catalogs,
  type Column,
  type Relation,
  readCatalogs,
  readSequences,
} from './behaviour-catalogs.ts';

/** A statement whose effect is observed and then undone. */
interface Probe {
  readonly sql: string;
  /** Default: the superuser. */
  readonly role?: string;
  /** Whether it runs as changes that a subscription applies, for which other triggers fire. */
  readonly replica?: boolean;
}

/** The outcome of each probe. */
export type Behaviour = ReadonlyMap<string, string>;

const varies = 'varies';

/**
 * Returns what the objects of a database do: the rows of relations, as each role sees them; the results of functions; the
 * effect of inserts, updates and deletes on all relations, with the trigger functions that were called, or the SQLSTATE
 * with which the server rejects them. The probes are generated from the catalogs. Everything is done twice, since what
 * differs by itself (a default of now()) is no evidence, and undone. `most` limits the changes, and those by roles.
 */
export async function readBehaviour(client: pg.Client, most = 400): Promise<Behaviour> {
  const first = await observe(client, most);
  const second = await observe(client, most);
  return new Map([...first].map(([probe, seen]) => [probe, second.get(probe) === seen ? seen : varies]));
}

/** Returns the probes whose outcomes differ, with both outcomes. */
export function compareBehaviour(before: Behaviour, after: Behaviour): string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((probe) => before.get(probe) !== after.get(probe))
    .map((probe) => `${probe}\n  was ${before.get(probe)}\n  is  ${after.get(probe)}`);
}

async function observe(client: pg.Client, most: number): Promise<Map<string, string>> {
  const sequences = await readSequences(client);
  await client.query(`begin; set local track_functions = 'all'; set local client_min_messages = error`);
  try {
    const catalogs = await readCatalogs(client);
    const reads = catalogs.relations.map(readRows);
    const rows = await run(client, reads, 'select null');
    // The state that the other probes change. A view that fails by itself would hide it.
    const readable = catalogs.relations.filter((_, i) => !rows[i]?.startsWith('error'));
    const probes = probesOf(catalogs, most);
    const outcomes = await run(client, probes, stateOf(readable));
    const seen = [...rows, ...outcomes];
    return new Map([...reads, ...probes].map((probe, i) => [describe(probe), seen[i] ?? '']));
  } finally {
    await client.query('rollback');
    await client.query(setSequences, [sequences, await readSequences(client)]);
  }
}

// A rollback does not undo nextval.
const setSequences = /* sql */ `
  select pg_catalog.setval(s.name::pg_catalog.regclass, s.last_value, s.is_called)
  from pg_catalog.jsonb_to_recordset($1::pg_catalog.jsonb) as s (name text, last_value bigint, is_called boolean)
  where not $2::pg_catalog.jsonb @> pg_catalog.jsonb_build_array(pg_catalog.to_jsonb(s))`;

// A subtransaction a probe, which ends with an error and so undoes it. The calls of trigger functions are counted by the
// server, also of those without an effect. How many calls precede an error depends on the order of rows.
const block = /* sql */ `
  do $judge$
  declare
    probe pg_catalog.jsonb;
    number bigint;
    state text;
    calls text;
    before pg_catalog.jsonb;
    seen text[] := '{}';
    counted constant text := $$
      select coalesce(pg_catalog.jsonb_object_agg(f.funcid::pg_catalog.regprocedure::text, f.calls), '{}')
      from pg_catalog.pg_stat_xact_user_functions as f
        join pg_catalog.pg_proc as p on p.oid = f.funcid and p.prorettype = 'trigger'::pg_catalog.regtype$$;
  begin
    for probe in
      select p from pg_catalog.jsonb_array_elements(pg_catalog.current_setting('judge.probes')::pg_catalog.jsonb) as p
    loop
      execute counted into before;
      begin
        if probe ? 'role' then execute pg_catalog.format('set local role %I', probe ->> 'role'); end if;
        if probe ? 'replica' then set local session_replication_role = replica; end if;
        if probe ->> 'sql' like 'select %' then
          execute probe ->> 'sql' into state;
          number := null;
        else
          execute probe ->> 'sql';
          get diagnostics number = row_count;
          state := null;
        end if;
        set constraints all immediate;
        set local role none;
        execute 'select pg_catalog.concat_ws('' '', $1, (' || pg_catalog.current_setting('judge.state') || '))'
          into state using state;
        execute pg_catalog.format(
          $$select pg_catalog.string_agg(n.key || ' ' || (n.value::text::bigint - coalesce($1 ->> n.key, '0')::bigint), ', ' order by n.key)
          from pg_catalog.jsonb_each((%s)) as n where n.value is distinct from $1 -> n.key$$, counted)
          into calls using before;
        raise exception using errcode = 'JUDGE';
      exception when others then
        seen := seen || case
          when sqlstate = 'JUDGE' then pg_catalog.concat_ws('; ', number || ' rows', 'called ' || calls, state)
          -- Which of two indexes or foreign keys is checked first depends on their OIDs.
          when probe ->> 'sql' like 'delete %' then 'error'
          else 'error ' || pg_catalog.replace(sqlstate, '23P01', '23505') end;
      end;
    end loop;
    perform pg_catalog.set_config('judge.seen', pg_catalog.to_jsonb(seen)::text, true);
  end $judge$`;

/** Returns the outcome of each probe. `state` is a query for one text, which is read after each probe. */
async function run(client: pg.Client, probes: readonly Probe[], state: string): Promise<string[]> {
  const set = `select pg_catalog.set_config('judge.probes', $1, true), pg_catalog.set_config('judge.state', $2, true)`;
  await client.query(set, [JSON.stringify(probes), state]);
  await client.query(block);
  const { rows } = await client.query(`select pg_catalog.current_setting('judge.seen')::jsonb as seen`);
  return rows[0].seen;
}

function describe({ sql, role, replica }: Probe): string {
  return `${role === undefined ? '' : `as ${role}: `}${replica ? 'as a replica: ' : ''}${sql}`;
}

// The rows as text, since not all types have an order.
const sorted = `pg_catalog.string_agg("each row"::text, ' ' order by "each row"::text collate "C")`;

function readRows({ name }: Relation): Probe {
  return { sql: `select ${sorted} from ${name} as "each row"` };
}

function stateOf(relations: readonly Relation[]): string {
  const all = relations.map(({ name }) => `(select pg_catalog.md5(${sorted}) from ${name} as "each row")`);
  return `select pg_catalog.md5(pg_catalog.concat_ws(' ', ${["''", ...all].join(', ')}))`;
}

function probesOf(catalogs: Catalogs, most: number): Probe[] {
  const { relations, roles, functions, domains, domainLiterals } = catalogs;
  return [
    ...thin(relations.flatMap(changesOf), most),
    ...thin(
      relations.flatMap((relation) => roles.flatMap((role) => accessOf(relation, role))),
      most,
    ),
    ...functions.map((call) => ({ sql: `select ${sorted} from ${call} as "each row"` })),
    ...domains.flatMap((domain) => domainLiterals.map((value) => ({ sql: `select ${value}::${domain}` }))),
  ];
}

/** Returns at most this number, taken evenly, so that large schemas do not take minutes. */
function thin(probes: readonly Probe[], most: number): readonly Probe[] {
  const step = Math.ceil(probes.length / most);
  return probes.filter((_, i) => i % step === 0);
}

function changesOf({ name, kind, columns, literals }: Relation): Probe[] {
  if (kind === 'm') return [{ sql: `refresh materialized view ${name}` }];
  const settable = columns.filter(({ generated }) => !generated);
  const list = settable.map((column) => column.name).join(', ');
  const into = `insert into ${name} (${list}) overriding system value`;
  const samples = settable.map(({ category, type }) => `${sampleOf[category] ?? 'null'}::${type}`);
  const copy = (column?: string, value?: string) => {
    const values = settable.map(({ name: own }) => (own === column ? value : own)).join(', ');
    return `${into} select ${values} from ${name} as "each row" order by "each row"::text collate "C" limit 1`;
  };
  const inserts = list === '' ? [] : [`${into} values (${samples})`, copy()];
  const same = settable.map((column) => `update ${name} set ${column.name} = ${column.name}`);
  const updates = settable.flatMap((column) => {
    const { name: own, category } = column;
    const values = new Set([
      'null',
      sampleOf[category] ?? 'null',
      ...othersOf(column, literals),
      ...literals,
    ]);
    return [
      `update ${name} set ${own} = default`,
      ...[...values].flatMap((value) => [`update ${name} set ${own} = ${value}`, copy(own, value)]),
    ];
  });
  const removals = kind === 'v' ? [`delete from ${name}`] : [`delete from ${name}`, `truncate ${name}`];
  return [
    ...[`insert into ${name} default values`, ...inserts, ...same, ...updates, ...removals].map((sql) => ({
      sql,
    })),
    ...same.slice(0, 1).map((sql) => ({ sql, replica: true })),
  ];
}

/** A value for a category of types, see pg_type.typcategory. */
const sampleOf: Readonly<Record<string, string>> = {
  A: `'{}'`,
  B: 'true',
  D: `'2020-02-02'`,
  N: '0',
  R: `'empty'`,
  S: `'x'`,
  T: `'1 day'`,
};

/** Values that some operators take for equal to that of a column or to a constant. */
function othersOf({ name, type, category }: Column, literals: readonly string[]): string[] {
  if (category === 'S') return [`upper(${name}::text)::${type}`, `lower(${name}::text)::${type}`];
  return category === 'N' ? [`-${name}`, ...literals.map((value) => value.replace(/^'(?=\d)/, "'-"))] : [];
}

function accessOf(relation: Relation, role: string): Probe[] {
  const { name, kind, columns } = relation;
  const changes =
    kind === 'm'
      ? []
      : [
          `insert into ${name} default values`,
          `delete from ${name}`,
          ...columns
            .filter(({ generated }) => !generated)
            .map(({ name: own }) => `update ${name} set ${own} = ${own}`),
        ];
  return [readRows(relation), ...changes.map((sql) => ({ sql }))].map((probe) => ({ ...probe, role }));
}
