import { families } from '../expressions/families.ts';
import { rolePrefix } from '../support/role-prefix.ts';
import { type Draw, quote } from './draw.ts';
import { type Maker, qualified } from './relations.ts';
import type { Column, State, Type } from './state.ts';

/** Types whose operators are in another schema or belong to an extension, so that they depend on the search path. */
const own = families.filter(({ name }) => name === 'citext' || name === 'own type');

/** Statements before the first step. If the server lacks an extension, no objects with its type are created. */
export const ownTypes: readonly string[] = [
  ...own.map(({ schema }) => schema),
  `set search_path = ${own.map(({ path }) => path).join(', ')}`,
];

const [citext, label] = own.map(({ type }) => type);

/** Values that occur often enough to match in joins. */
export const ownColumnTypes: readonly Type[] = [citext, label].flatMap((sql = '') => [
  ...["'Abc'", "'aBC'", "'x'"].map((value) => ({ sql, value: `${value}::${sql}` })),
]);

export function isOwn({ sql }: Pick<Type, 'sql'>): boolean {
  return sql === citext || sql === label;
}

/** A condition whose text does not name all of its operators, and that is true for most values. */
export function ownCondition(draw: Draw, { sql }: Pick<Type, 'sql'>, column: string): string {
  const literal = draw.word("'Abc'", "'no'", "'X'");
  const other = `${draw.word("'ABC'", "'x'", "'none'")}::${sql}`;
  return draw.word(
    `${column} is distinct from ${literal}::${sql}`,
    `(${column} is not distinct from ${other}) or ${column} <> 'no'::${sql}`,
    `case ${column} when ${literal}::${sql} then true else ${column} <> 'none'::${sql} end`,
    `nullif(${column}, ${other}) is null or ${column} = ${column}`,
    `row(${column}, 1) >= row(${literal}::${sql}, 0)`,
    `row(${column}, 1) is distinct from row('no'::${sql}, 1)`,
    `${column} = any (array[${literal}::${sql}, ${other}, 'x'::${sql}])`,
    `${column} <> 'no'::${sql} and pg_catalog.array_append(array[1], 2) operator(pg_catalog.@>) array[2]`,
  );
}

interface Found {
  table: string;
  column: Column;
}

function columnsOf(state: State): Found[] {
  return [...state.tables, ...state.views].flatMap(({ sql, columns }) =>
    columns.filter(isOwn).map((column) => ({ table: sql, column })),
  );
}

/** Two columns of one such type. */
function drawTwo(state: State, draw: Draw): [Found, Found] | undefined {
  const all = columnsOf(state);
  const one = draw.of(all);
  const two = draw.of(all.filter(({ column }) => column.sql === one?.column.sql));
  return one === undefined || two === undefined ? undefined : [one, two];
}

/** A query over two columns, `a` and `b`. */
function drawQuery(draw: Draw, [a, b]: [Found, Found]): string {
  const [one, two] = [a, b].map(({ table, column }) => `(select ${column.name} as k from ${table})`);
  return draw.word(
    `select count(*) as n from ${one} a join ${two} b using (k)`,
    `select k, count(*) as n from ${one} a natural full join ${two} b group by k`,
    `select count(*) filter (where ${ownCondition(draw, a.column, 'a.k')}) as n from ${one} a left join ${two} b using (k)`,
    `select a.k in (select k from ${two} b where b.k = b.k) as n from ${one} a`,
    `select (a.k, 1) not in (select k, 1 from ${two} b) as n from ${one} a`,
    `select case a.k when b.k then 'same' else 'other' end as n from ${one} a cross join ${two} b`,
    `select count(*) as n from (select k from ${one} a union select k from ${two} b) c`,
    `select nullif(a.k, b.k) as n, a.k is distinct from b.k as m, a.k = b.k as o from ${one} a, ${two} b`,
    `select max(k) as n, count(distinct k) as m from ${one} a where exists (select from ${two} b where a.k is not distinct from b.k)`,
  );
}

export const ownMakers = {
  ownView: (state, draw, name) => {
    const two = drawTwo(state, draw);
    if (two === undefined) return undefined;
    const sql = qualified(state, draw, name('o'));
    return {
      sql: `create ${draw.word('view', 'view', 'materialized view')} ${sql} as ${drawQuery(draw, two)}`,
    };
  },

  ownFunction: (state, draw, name) => {
    const two = drawTwo(state, draw);
    if (two === undefined) return undefined;
    const sql = qualified(state, draw, name('of'));
    const type = two[0].column;
    const argument = draw.once(2) ? `x boolean default ${ownCondition(draw, type, type.value)}` : '';
    return {
      sql: `create function ${sql}(${argument}) returns bigint begin atomic select count(*) from (${drawQuery(draw, two)}) q; end`,
    };
  },

  ownPart: (state, draw, name) => {
    const found = draw.of(
      state.tables.flatMap(({ sql, columns }) =>
        columns.filter(isOwn).map((column) => ({ table: sql, column })),
      ),
    );
    const other = draw.of(columnsOf(state).filter(({ column }) => column.sql === found?.column.sql));
    const call = draw.of(state.triggerFunctions);
    if (found === undefined || other === undefined) return undefined;
    const { table, column } = found;
    const condition = (of = '') => ownCondition(draw, column, `${of}${column.name}`);
    const word = quote(name('ow'));
    const within = `${column.name} in (select z.${other.column.name} from ${other.table} z)`;
    return {
      sql: draw.word(
        `alter table ${table} add ${word} boolean generated always as (${condition()}) stored`,
        `alter table ${table} add ${word} boolean default (${ownCondition(draw, column, column.value)})`,
        `alter table ${table} add constraint ${word} check (${condition()})`,
        `create index ${word} on ${table} ((${condition()}))`,
        `create unique index ${word} on ${table} (${column.name}) where ${condition()}`,
        `create statistics ${qualified(state, draw, name('os'))} on (${condition()}), ${column.name} from ${table}`,
        `create policy ${word} on ${table} using (${condition()}); alter table ${table} enable row level security`,
        `create policy ${word} on ${table} as restrictive using (${within}); grant select on ${table} to ${rolePrefix}_a`,
        `create rule ${word} as on update to ${table} where ${condition('new.')} do also notify changed`,
        call
          ? `create trigger ${word} before update on ${table} for each row when (old.${column.name} is distinct from new.${column.name}) execute function ${call}()`
          : `alter table ${table} replica identity full`,
        `create domain ${qualified(state, draw, name('od'))} as ${table} check (${ownCondition(draw, column, `(value).${column.name}`)})`,
      ),
    };
  },

  ownPartitioned: (state, draw, name) => {
    const type = draw.of(ownColumnTypes);
    if (type === undefined) return undefined;
    const sql = qualified(state, draw, name('op'));
    const column: Column = { ...type, name: quote(name('c')), generated: false };
    const [yes, no] = [qualified(state, draw, name('oy')), qualified(state, draw, name('on'))];
    return {
      sql: [
        `create table ${sql} (${column.name} ${type.sql}) partition by list ((${ownCondition(draw, type, column.name)}))`,
        `create table ${yes} partition of ${sql} for values in (true)`,
        `create table ${no} partition of ${sql} default`,
        `insert into ${sql} values ('Abc'), ('aBC'), ('x'), (null)`,
      ].join(';\n'),
      after: (now) => {
        now.tables.push({ sql, columns: [column], kind: 'partitioned', keys: [] });
        for (const child of [yes, no])
          now.tables.push({ sql: child, columns: [column], kind: 'plain', keys: [] });
      },
    };
  },
} satisfies Record<string, Maker>;
