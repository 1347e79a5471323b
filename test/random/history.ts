import { type Draw, literal, quote } from './draw.ts';
import type { Maker } from './relations.ts';
import type { State, Table } from './state.ts';

// What a live database has been through, and a dump does not show: renamed, added, dropped and changed columns, renamed
// constraints and indexes, partitions that were detached, tables that were moved.

function tableOf(state: State, draw: Draw): Table | undefined {
  return draw.of(state.tables.filter(({ kind }) => kind !== 'foreign'));
}

/** Renames an index or a constraint of the table, which the server chooses by its place in the order of names. */
function renaming(query: string, statement: string, name: string): string {
  return `do $history$
declare
  chosen record;
begin
  ${query};
  if chosen is null then raise exception 'none'; end if;
  execute format(${statement}, ${literal(name)});
end $history$`;
}

export const history = {
  renameColumn: (state, draw, name) => {
    const table = draw.of(state.tables);
    const column = draw.of(table?.columns ?? []);
    if (table === undefined || column === undefined) return undefined;
    const to = quote(name('r'));
    return {
      sql: `alter table ${table.sql} rename column ${column.name} to ${to}`,
      after: () => {
        column.name = to;
      },
    };
  },

  renameTable: (state, draw, name) => {
    const table = tableOf(state, draw);
    if (table === undefined) return undefined;
    const schema = state.schemas.find((one) => table.sql.startsWith(`${one}.`)) ?? 'public';
    const to = quote(name('q'));
    return {
      sql: `alter table ${table.sql} rename to ${to}`,
      after: () => {
        table.sql = `${schema}.${to}`;
      },
    };
  },

  renameIndex: (state, draw, name) => {
    const table = tableOf(state, draw);
    if (table === undefined) return undefined;
    const place = draw.below(5);
    return {
      sql: renaming(
        `select i.indexrelid::regclass as name into chosen from pg_index as i
  where i.indrelid = ${literal(table.sql)}::regclass order by i.indexrelid::regclass::text collate "C" offset ${place} limit 1`,
        `'alter index %s rename to %I', chosen.name`,
        name('i'),
      ),
    };
  },

  renameConstraint: (state, draw, name) => {
    const table = tableOf(state, draw);
    if (table === undefined) return undefined;
    const place = draw.below(5);
    return {
      sql: renaming(
        `select k.conname as name into chosen from pg_constraint as k
  where k.conrelid = ${literal(table.sql)}::regclass order by k.conname offset ${place} limit 1`,
        `${literal(`alter table ${table.sql.replaceAll('%', '%%')} rename constraint %I to %I`)}, chosen.name`,
        name('k'),
      ),
    };
  },

  changeType: (state, draw) => {
    const table = tableOf(state, draw);
    const column = draw.of((table?.columns ?? []).filter(({ generated }) => !generated));
    if (table === undefined || column === undefined) return undefined;
    const [type, value] = draw.of([
      ['text', `'t'`],
      ['varchar(40)', `'v'`],
      ['varchar', `'v'`],
    ]) as [string, string];
    const drop = draw.word(`alter column ${column.name} drop default,`, '');
    return {
      sql: `alter table ${table.sql} ${drop} alter column ${column.name} type ${type} using ${column.name}::text`,
      after: () => Object.assign(column, { sql: type, value }),
    };
  },

  addColumn: (state, draw, name) => {
    const table = tableOf(state, draw);
    const type = draw.of(state.types);
    if (table === undefined || type === undefined) return undefined;
    const column = { ...type, name: quote(name('a')), generated: false };
    const rest = draw.word('', `default ${type.value}`, `not null default ${type.value}`, 'unique');
    return {
      sql: `alter table ${table.sql} add column ${column.name} ${type.sql} ${rest}`,
      after: () => {
        table.columns.push(column);
      },
    };
  },

  dropColumn: (state, draw) => {
    const table = tableOf(state, draw);
    const column = draw.of(table?.columns ?? []);
    if (table === undefined || column === undefined) return undefined;
    return {
      sql: `alter table ${table.sql} drop column ${column.name}`,
      after: () => {
        table.columns = table.columns.filter((one) => one !== column);
      },
    };
  },

  setNotNull: (state, draw) => {
    const table = tableOf(state, draw);
    const column = draw.of(table?.columns ?? []);
    if (table === undefined || column === undefined) return undefined;
    return { sql: `alter table ${table.sql} alter column ${column.name} set not null` };
  },

  toastOption: (state, draw) => {
    const table = tableOf(state, draw);
    if (table === undefined) return undefined;
    return { sql: `alter table ${table.sql} set (toast.autovacuum_vacuum_threshold = ${draw.below(9)})` };
  },

  inList: (state, draw) => {
    const table = tableOf(state, draw);
    const column = draw.of(
      (table?.columns ?? []).filter(({ sql }) => /^(text|varchar|char|numeric|int$|bigint$)/.test(sql)),
    );
    if (table === undefined || column === undefined || column.sql.endsWith(']')) return undefined;
    const values = /^(text|varchar|char)/.test(column.sql) ? `'no', 'never', ''` : '-5000, -5001, -5002';
    return { sql: `alter table ${table.sql} add check (${column.name} not in (${values}))` };
  },

  reattach: (state, draw) => {
    const table = draw.of(state.tables.filter(({ kind }) => kind === 'partitioned'));
    if (table === undefined) return undefined;
    return {
      sql: `do $history$
declare
  chosen record;
begin
  select h.inhrelid::regclass as part, pg_get_expr(c.relpartbound, c.oid) as bound into chosen
  from pg_inherits as h join pg_class as c on c.oid = h.inhrelid
  where h.inhparent = ${literal(table.sql)}::regclass order by c.relname offset ${draw.below(3)} limit 1;
  if chosen is null then raise exception 'none'; end if;
  execute format('alter table %s detach partition %s', ${literal(table.sql)}::regclass, chosen.part);
  execute format('alter table %s attach partition %s %s', ${literal(table.sql)}::regclass, chosen.part, chosen.bound);
end $history$`,
    };
  },

  setSchema: (state, draw) => {
    const table = tableOf(state, draw);
    const schema = draw.of(state.schemas);
    if (table === undefined || schema === undefined || table.sql.startsWith(`${schema}.`)) return undefined;
    const old = state.schemas.find((one) => table.sql.startsWith(`${one}.`)) ?? 'public';
    const name = table.sql.slice(old.length + 1);
    return {
      sql: `alter table ${table.sql} set schema ${schema}`,
      after: () => {
        table.sql = `${schema}.${name}`;
      },
    };
  },
} satisfies Record<string, Maker>;
