import { rolePrefix } from '../support/role-prefix.ts';
import type { Family } from './families.ts';

/** Objects of one kind whose text names no operator, and queries that show which operators they use. */
export interface Kind {
  readonly name: string;
  /** Statements that create the objects that they depend on. */
  readonly before: readonly string[];
  /** Statements that create one object each; those that the server rejects are left out. */
  readonly makes: readonly string[];
  /** Statements that show the behaviour: the result or error of each is compared. */
  readonly shows: readonly string[];
  /** The tables to drop. */
  readonly tables: readonly string[];
}

/** Conditions on a value, in each form whose text names no operator. */
function forms(family: Family, value: string): [string, string][] {
  const wanted = `${family.equal[0]}::${family.type}`;
  return [
    // If the same operator is also named in the text, `pg_depend` does not show that the other one has changed.
    ['case', `case ${value} when ${wanted} then true else ${value} = ${wanted} end`],
    ['case_only', `case ${value} when ${wanted} then true else false end`],
    ['distinct', `${value} is not distinct from ${wanted} and ${value} = ${value}`],
    ['nullif', `nullif(${value}, ${wanted}) is null or ${value} = ${wanted}`],
    ['row', `row(${value}, 1) >= row(${wanted}, 1) and row(${value}, 1) <= row(${wanted}, 1)`],
    ['rows', `row(${value}, 1) is not distinct from row(${wanted}, 1)`],
    ['operator', `${value} = ${wanted}`],
    ['any', `${value} = any (array[${wanted}])`],
    [
      'built_in',
      `${value} is not distinct from ${wanted}
         and pg_catalog.array_append(array[1], 2) operator(pg_catalog.@>) array[2]`,
    ],
  ];
}

/** The same, for places where a query is allowed. */
function queries(family: Family, value: string, others: string): [string, string][] {
  return [
    ...forms(family, value),
    ['in', `${value} in (select z.x from ${others} z where z.x = z.x)`],
    ['not_in', `${value} not in (select z.x from ${others} z)`],
    ['any_row', `(${value}, 1) in (select z.x, 1 from ${others} z)`],
  ];
}

export function kindsOf(family: Family): Kind[] {
  const { type, equal, other } = family;
  const [a, b] = equal;
  const values = [a, b, other];
  /** A table with one of the equal values and a different one, and a table with the other equal value. */
  const tables = (name: string, more = '') => [
    `create table ${name} (id int, x ${type}${more})`,
    `insert into ${name} (id, x) values (1, ${a}), (2, ${other})`,
    `create table ${name}_other (x ${type}, n int)`,
    `insert into ${name}_other values (${b}, 10)`,
  ];
  const oneRow = (name: string) => [
    `create table ${name} (id int, x ${type})`,
    `insert into ${name} values (1, ${b})`,
  ];
  const inserts = (name: string) =>
    values.map((value, id) => `insert into ${name} values (${id + 10}, ${value})`);

  return [
    {
      name: 'view',
      tables: ['v', 'v_other'],
      before: tables('v'),
      makes: [
        `create view v_using as select x, n, v.x = ${a}::${type} as q from v join v_other using (x)`,
        'create view v_natural as select id, n from v natural full join v_other',
        ...queries(family, 'v.x', 'v_other').map(
          ([form, condition]) => `create view v_${form} as select id, ${condition} as c from v`,
        ),
        'create view v_group as select count(*) as c from (select x from v union all select x from v_other) as y group by x',
        'create view v_union as select count(*) as c from (select x from v union select x from v_other) as y',
        'create view v_window as select rank() over (partition by x order by id) as r from v',
      ],
      shows: [
        ...[
          'using',
          'natural',
          'case',
          'distinct',
          'nullif',
          'row',
          'rows',
          'operator',
          'any',
          'in',
          'not_in',
        ],
        ...['any_row', 'group', 'union', 'window'],
      ].map((form) => `select * from v_${form} order by 1`),
    },
    {
      name: 'materialized view',
      tables: ['m', 'm_other'],
      before: tables('m'),
      makes: [
        'create materialized view m_using as select x, n from m join m_other using (x)',
        ...queries(family, 'm.x', 'm_other').map(
          ([form, condition]) => `create materialized view m_${form} as select id, ${condition} as c from m`,
        ),
      ],
      shows: [
        'select n from m_using',
        ...['case', 'distinct', 'nullif', 'row', 'in', 'not_in'].map(
          (form) => `select id, c from m_${form} order by 1`,
        ),
        'refresh materialized view m_using',
        'select n from m_using',
      ],
    },
    {
      name: 'rule',
      tables: ['r', 'r_other'],
      before: [...tables('r'), 'create table r_log (note text, x int)'],
      makes: [
        ...queries(family, 'new.x', 'r_other').map(
          ([form, condition]) =>
            `create rule r_${form} as on insert to r where ${condition} do also insert into r_log values ('${form}', new.id)`,
        ),
        `create rule r_join as on insert to r do also
           insert into r_log select 'join', o.n from r_other as o join (select new.x as x) as y using (x)`,
      ],
      shows: [...inserts('r'), 'select note, x from r_log order by 1, 2'],
    },
    {
      name: 'policy',
      tables: ['p', 'p_other'],
      before: [
        ...tables('p'),
        `grant all on p, p_other to ${rolePrefix}_reader`,
        'alter table p enable row level security',
        'create policy p_insert on p for insert with check (true)',
        'create policy p_update on p for update using (true)',
      ],
      makes: [
        ...queries(family, 'x', 'p_other').map(([form, condition], index) =>
          index === 0
            ? `create policy p_${form} on p for select using (${condition})`
            : `create policy p_${form} on p as restrictive for update using (${condition})`,
        ),
        `create policy p_check on p as restrictive for insert with check (x is not distinct from ${a}::${type})`,
      ],
      shows: [
        `set role ${rolePrefix}_reader`,
        'select id from p order by 1',
        ...inserts('p'),
        'update p set id = id + 100',
        'reset role',
        'select id from p order by 1',
      ],
    },
    {
      name: 'policy of a table that stays',
      tables: ['ps_other'],
      before: [
        ...tables('ps'),
        `grant all on ps, ps_other to ${rolePrefix}_reader`,
        'alter table ps enable row level security',
      ],
      makes: [
        'create policy ps_in on ps using (x in (select z.x from ps_other z))',
        'create policy ps_join on ps as restrictive using (exists (select from ps_other z join (select ps.x as x) y using (x)))',
      ],
      shows: [
        `set role ${rolePrefix}_reader`,
        'select id from ps order by 1',
        ...inserts('ps'),
        'reset role',
      ],
    },
    {
      name: 'check',
      tables: forms(family, 'x').map(([form]) => `c_${form}`),
      before: forms(family, 'x').flatMap(([form]) => oneRow(`c_${form}`)),
      makes: forms(family, 'x').map(
        ([form, condition]) => `alter table c_${form} add constraint c_${form} check (${condition})`,
      ),
      shows: forms(family, 'x').flatMap(([form]) => inserts(`c_${form}`)),
    },
    {
      name: 'domain',
      tables: ['d'],
      before: tables('d'),
      makes: [
        ...forms(family, '(value).x').map(
          ([form, condition]) => `create domain d_${form} as d check (${condition})`,
        ),
        ...forms(family, `${b}::${type}`).map(
          ([form, condition]) =>
            `create domain d_default_${form} as d default case when ${condition} then row(1, ${a})::d end`,
        ),
      ],
      shows: forms(family, 'x').flatMap(([form]) =>
        values.map((value) => `select (row(1, ${value})::d::d_${form})::text`),
      ),
    },
    {
      name: 'default',
      tables: ['df'],
      before: [
        `create table df (id int, ${forms(family, 'x')
          .map(([form]) => `${form}_ boolean`)
          .join(', ')})`,
      ],
      makes: forms(family, `${b}::${type}`).map(
        ([form, condition]) => `alter table df alter ${form}_ set default (${condition})`,
      ),
      shows: ['insert into df (id) values (1)', 'select * from df'],
    },
    {
      name: 'generated column',
      tables: ['g'],
      before: [
        `create table g (id int, x ${type})`,
        `insert into g (id, x) values (1, ${a}), (2, ${b}), (3, ${other})`,
      ],
      makes: forms(family, 'x').map(
        ([form, condition]) => `alter table g add ${form}_ boolean generated always as (${condition}) stored`,
      ),
      shows: [
        'select * from g order by 1',
        `insert into g (id, x) values (4, ${b})`,
        'select * from g where id = 4',
      ],
    },
    {
      name: 'index expression',
      tables: forms(family, 'x').map(([form]) => `i_${form}`),
      before: forms(family, 'x').flatMap(([form]) => oneRow(`i_${form}`)),
      makes: forms(family, 'x').map(
        ([form, condition]) => `create unique index on i_${form} ((${condition}))`,
      ),
      shows: forms(family, 'x').flatMap(([form]) => inserts(`i_${form}`)),
    },
    {
      name: 'index predicate',
      tables: [...forms(family, 'x').map(([form]) => `ip_${form}`), 'ip_excluded'],
      before: [...forms(family, 'x').flatMap(([form]) => oneRow(`ip_${form}`)), ...oneRow('ip_excluded')],
      makes: [
        ...forms(family, 'x').map(
          ([form, condition]) => `create unique index on ip_${form} ((id > 0)) where ${condition}`,
        ),
        `alter table ip_excluded add exclude using btree ((id > 0) with =) where (x is not distinct from ${a}::${type})`,
      ],
      shows: [...forms(family, 'x').map(([form]) => form), 'excluded'].flatMap((form) =>
        inserts(`ip_${form}`),
      ),
    },
    {
      name: 'trigger',
      tables: ['w'],
      before: [
        `create table w (id int, x ${type})`,
        'create table w_log (note name, x int)',
        `create function w_note() returns trigger language plpgsql as $$
           begin execute pg_catalog.format('insert into %I.w_log values ($1, $2)', tg_table_schema)
             using tg_name, new.id; return new; end $$`,
      ],
      makes: [
        ...forms(family, 'new.x').map(
          ([form, condition]) =>
            `create trigger w_${form} before insert on w for each row when (${condition}) execute function w_note()`,
        ),
        'create trigger w_changed before update on w for each row when (old.x is distinct from new.x) execute function w_note()',
      ],
      shows: [...inserts('w'), `update w set x = ${b}`, 'select note, x from w_log order by 1, 2'],
    },
    {
      name: 'partition key',
      tables: forms(family, 'x').map(([form]) => `k_${form}`),
      before: [],
      makes: forms(family, 'x').flatMap(([form, condition]) => [
        `create table k_${form} (id int, x ${type}) partition by list ((${condition}))`,
        `create table k_${form}_yes partition of k_${form} for values in (true)`,
        `create table k_${form}_no partition of k_${form} default`,
      ]),
      shows: forms(family, 'x').flatMap(([form]) => [
        ...inserts(`k_${form}`),
        `select id, tableoid::regclass::text from k_${form} order by 1`,
      ]),
    },
    {
      name: 'partition bound',
      tables: ['b', 'bh'],
      before: [],
      makes: [
        `create table b (id int, x ${type}) partition by list (x)`,
        `create table b_yes partition of b for values in (${a})`,
        'create table b_no partition of b default',
        `create table bh (id int, x ${type}) partition by hash (x)`,
        ...[0, 1].map(
          (rest) => `create table bh_${rest} partition of bh for values with (modulus 2, remainder ${rest})`,
        ),
      ],
      shows: [
        ...inserts('b'),
        'select id, tableoid::regclass::text from b order by 1',
        ...inserts('bh'),
        'select id, tableoid::regclass::text from bh order by 1',
      ],
    },
    {
      name: 'function body',
      tables: ['f', 'f_other'],
      before: tables('f'),
      makes: [
        ...queries(family, 'f.x', 'f_other').map(
          ([form, condition]) =>
            `create function f_${form}() returns bigint begin atomic select count(*) from f where ${condition}; end`,
        ),
        'create function f_using() returns bigint begin atomic select count(*) from f join f_other using (x); end',
        `create function f_return(f) returns boolean return (($1).x is not distinct from ${a}::${type})`,
      ],
      shows: [
        ...queries(family, 'f.x', 'f_other').map(([form]) => `select f_${form}()`),
        'select f_using()',
        'select id, f_return(f) from f order by 1',
      ],
    },
    {
      name: 'argument default',
      tables: ['fa'],
      before: tables('fa'),
      makes: [
        ...forms(family, `${b}::${type}`).map(
          ([form, condition]) =>
            `create function fa_${form}(fa, d boolean default (${condition})) returns boolean language sql as 'select d'`,
        ),
      ],
      shows: forms(family, 'x').map(([form]) => `select fa_${form}(null)`),
    },
    {
      name: 'statistics',
      tables: ['s'],
      before: [`create table s (id int, x ${type})`],
      makes: forms(family, 'x').map(
        ([form, condition]) => `create statistics s_${form} on id, (${condition}) from s`,
      ),
      shows: [],
    },
    {
      name: 'publication filter',
      tables: ['pu'],
      before: [`create table pu (id int, x ${type})`],
      makes: forms(family, 'x').map(
        ([form, condition]) => `create publication pu_${form} for table pu where (${condition})`,
      ),
      shows: [],
    },
  ];
}
