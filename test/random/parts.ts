import { rolePrefix } from '../support/role-prefix.ts';
import { literal, quote } from './draw.ts';
import { condition, type Maker, qualified } from './relations.ts';

/** Generators of objects that belong to an existing relation or depend on it. */
export const parts = {
  check: (state, draw, name) => {
    const table = draw.of(state.tables);
    const column = draw.of(table?.columns ?? []);
    if (table === undefined || column === undefined) return undefined;
    const key = quote(name('ck'));
    const valid = draw.word('', '', ' not valid', ' no inherit', ' not enforced');
    const only = draw.once(9) ? 'only ' : '';
    return {
      sql: `alter table ${only}${table.sql} add constraint ${key} check (${condition(draw, column)})${valid}`,
      after: (now) => now.commentable.push(`constraint ${key} on ${table.sql}`),
    };
  },

  notNull: (state, draw, name) => {
    const table = draw.of(state.tables);
    const column = draw.of(table?.columns ?? []);
    if (table === undefined || column === undefined) return undefined;
    const change = draw.word(
      `alter column ${column.name} set not null`,
      `add constraint ${quote(name('nn'))} not null ${column.name}${draw.word('', ' not valid', ' no inherit')}`,
    );
    return { sql: `alter table ${table.sql} ${change}` };
  },

  unique: (state, draw, name) => {
    const table = draw.of(state.tables);
    if (table === undefined || table.columns.length === 0) return undefined;
    const columns = draw.some(table.columns, 3);
    const key = quote(name('uq'));
    const what = draw.word('unique', 'unique', 'unique nulls not distinct', 'primary key');
    const rest = draw.word('', ' deferrable', ' deferrable initially deferred', ' with (fillfactor = 60)');
    const include = draw.once(5) ? ` include (${draw.of(table.columns)?.name})` : '';
    return {
      sql: `alter table ${table.sql} add constraint ${key} ${what} (${columns.map((column) => column.name).join(', ')})${include}${rest}`,
      after: (now) => {
        now.tables.find(({ sql }) => sql === table.sql)?.keys.push({ name: key, columns });
        now.commentable.push(`constraint ${key} on ${table.sql}`);
      },
    };
  },

  exclusion: (state, draw, name) => {
    const table = draw.of(state.tables);
    const column = draw.of(table?.columns.filter(({ sql }) => sql.includes('range')) ?? []);
    if (table === undefined || column === undefined) return undefined;
    const where = draw.once(3) ? ` where (${condition(draw, column)})` : '';
    return {
      sql: `alter table ${table.sql} add constraint ${quote(name('ex'))} exclude using gist (${column.name} with &&)${where}${draw.word('', ' deferrable')}`,
    };
  },

  foreignKey: (state, draw, name) => {
    const target = draw.of(state.tables.filter(({ keys }) => keys.length > 0));
    const key = draw.of(target?.keys ?? []);
    const types = key?.columns.map(({ sql }) => sql) ?? [];
    const able = (columns: readonly { sql: string }[]) =>
      types.every((type) => columns.some(({ sql }) => sql === type));
    const table = draw.of(state.tables.filter(({ columns }) => able(columns)));
    if (target === undefined || key === undefined || table === undefined) return undefined;
    const columns = types.map((type) => draw.of(table.columns.filter(({ sql }) => sql === type))?.name);
    const constraint = quote(name('fk'));
    const action = draw.word(
      '',
      ' on delete cascade',
      ' on update set null',
      ' on delete set default',
      ` on delete set null (${columns[0]})`,
      ' match full',
    );
    const rest = draw.word('', '', ' not valid', ' deferrable initially deferred', ' not enforced');
    return {
      sql: `alter table ${table.sql} add constraint ${constraint} foreign key (${columns.join(', ')}) references ${target.sql} (${key.columns.map((column) => column.name).join(', ')})${action}${rest}`,
      after: (now) => now.commentable.push(`constraint ${constraint} on ${table.sql}`),
    };
  },

  index: (state, draw, name) => {
    const table = draw.of([...state.tables, ...state.tables, ...state.materialized]);
    const column = draw.of(table?.columns ?? []);
    if (table === undefined || column === undefined) return undefined;
    const plain = quote(name('ix'));
    const schema = table.sql.slice(0, table.sql.indexOf('.'));
    const only = draw.once(9) ? 'only ' : '';
    const what = draw.word(
      `(${column.name})`,
      `(${column.name} desc nulls last, ${draw.of(table.columns)?.name})`,
      `using hash (${column.name})`,
      `using gin (${column.name})`,
      `using gist (${column.name})`,
      `using brin (${column.name}) with (pages_per_range = 7)`,
      `((${column.name} is null), ${column.name})`,
      `(lower(${column.name}::text) text_pattern_ops)`,
      `(${column.name}) include (${draw.of(table.columns)?.name})`,
    );
    const where = draw.once(4) ? ` where ${condition(draw, column)}` : '';
    const concurrently = draw.once(6) ? 'concurrently ' : '';
    return {
      sql: `create ${draw.once(6) ? 'unique ' : ''}index ${concurrently}${plain} on ${only}${table.sql} ${what}${where}`,
      after: (now) => now.commentable.push(`index ${schema}.${plain}`),
    };
  },

  marks: (state, draw) => {
    const table = draw.of(state.tables);
    const key = draw.of(table?.keys ?? []);
    const column = draw.of(table?.columns ?? []);
    if (table === undefined || column === undefined) return undefined;
    const change = draw.word(
      ...(key && key.name !== ''
        ? [`cluster on ${key.name}`, `replica identity using index ${key.name}`]
        : []),
      `alter ${column.name} set statistics ${draw.below(500)}`,
      `alter ${column.name} set storage ${draw.word('external', 'main', 'plain', 'extended')}`,
      `alter ${column.name} set compression pglz`,
      `alter ${column.name} set (n_distinct = -0.5)`,
      `alter ${column.name} set default ${column.value}`,
      `alter ${column.name} drop default`,
      'replica identity full',
      'replica identity nothing',
      'set (autovacuum_vacuum_scale_factor = 0.3, toast_tuple_target = 500)',
      'enable row level security',
      'force row level security',
      'disable trigger user',
      'set unlogged',
      `drop column ${column.name}`,
      `add column ${quote(`late ${state.count}`)} int default 3`,
    );
    return {
      sql: `alter table ${draw.once(8) ? 'only ' : ''}${table.sql} ${change}`,
      after: (now) => {
        if (!change.startsWith('drop column')) return;
        const changed = now.tables.find(({ sql }) => sql === table.sql);
        if (changed) changed.columns = changed.columns.filter(({ name }) => name !== column.name);
      },
    };
  },

  triggerFunction: (state, draw, name) => {
    const sql = qualified(state, draw, name('tf'));
    return {
      sql: `create function ${sql}() returns trigger language plpgsql as $$ begin return coalesce(new, old); end $$`,
      after: (now) => now.triggerFunctions.push(sql),
    };
  },

  trigger: (state, draw, name) => {
    const table = draw.of(state.tables);
    const call = draw.of(state.triggerFunctions);
    const column = draw.of(table?.columns ?? []);
    if (table === undefined || call === undefined || column === undefined) return undefined;
    const trigger = quote(name('tr'));
    const what = draw.word(
      `trigger ${trigger} before insert or update of ${column.name} on ${table.sql} for each row`,
      `trigger ${trigger} after delete on ${table.sql} for each statement`,
      `trigger ${trigger} before truncate on ${table.sql}`,
      `trigger ${trigger} after update on ${table.sql} referencing old table as o new table as n for each statement`,
      `constraint trigger ${trigger} after insert on ${table.sql} deferrable initially deferred for each row`,
      `trigger ${trigger} before update on ${table.sql} for each row when (old.* is distinct from new.*)`,
    );
    const firing = draw.word('', '', '', 'disable', 'enable replica', 'enable always');
    const after =
      firing === ''
        ? ''
        : `;\nalter table ${draw.word('', 'only ')}${table.sql} ${firing} trigger ${trigger}`;
    return {
      sql: `create ${what} execute function ${call}(${draw.word('', `'a', 'it''s ?'`)})${after}`,
      after: (now) => now.commentable.push(`trigger ${trigger} on ${table.sql}`),
    };
  },

  viewTrigger: (state, draw, name) => {
    const view = draw.of(state.views);
    const call = draw.of(state.triggerFunctions);
    const column = draw.of(view?.columns ?? []);
    if (view === undefined || call === undefined || column === undefined) return undefined;
    return {
      sql: draw.word(
        `create trigger ${quote(name('tr'))} instead of update on ${view.sql} for each row execute function ${call}()`,
        `alter view ${view.sql} alter column ${column.name} set default ${column.value}`,
      ),
    };
  },

  rule: (state, draw, name) => {
    const on = draw.of([...state.tables, ...state.views]);
    const other = draw.of(state.tables);
    const column = draw.of(on?.columns ?? []);
    if (on === undefined || other === undefined || column === undefined) return undefined;
    const rule = quote(name('ru'));
    const action = draw.word(
      'instead nothing',
      'also notify heard',
      `also delete from ${other.sql} where false`,
      `instead (select 1 from ${other.sql}; notify twice)`,
    );
    const event = draw.word('insert', 'update', 'delete');
    return {
      sql: `create rule ${rule} as on ${event} to ${on.sql} do ${action}`,
      after: (now) => now.commentable.push(`rule ${rule} on ${on.sql}`),
    };
  },

  policy: (state, draw, name) => {
    const table = draw.of(state.tables);
    const other = draw.of(state.tables);
    const column = draw.of(table?.columns ?? []);
    if (table === undefined || other === undefined || column === undefined) return undefined;
    const policy = quote(name('po'));
    const test = draw.word(
      condition(draw, column),
      `exists (select from ${other.sql})`,
      `current_user = '${rolePrefix}_a'`,
    );
    const as = draw.word('', 'as restrictive ');
    const what = draw.word('for all', 'for select', 'for update', 'for delete');
    return {
      sql: `create policy ${policy} on ${table.sql} ${as}${what} to ${draw.word('public', `${rolePrefix}_a`, `${rolePrefix}_a, ${rolePrefix}_b`)} using (${test})`,
      after: (now) => now.commentable.push(`policy ${policy} on ${table.sql}`),
    };
  },

  statistics: (state, draw, name) => {
    const table = draw.of(state.tables.filter(({ columns }) => columns.length > 1));
    if (table === undefined) return undefined;
    const sql = qualified(state, draw, name('st'));
    const columns = draw.some(table.columns, 3).map((column) => column.name);
    const kinds = draw.word('', '', ' (ndistinct)', ' (mcv, dependencies)');
    const what = draw.once(3) ? `(${columns[0]} is null), ${columns[0]}` : columns.join(', ');
    return {
      sql: `create statistics ${sql}${kinds} on ${what} from ${table.sql}${draw.once(3) ? `;\nalter statistics ${sql} set statistics 77` : ''}`,
      after: (now) => now.commentable.push(`statistics ${sql}`),
    };
  },

  publication: (state, draw, name) => {
    const tables = draw.some(state.tables, 3);
    if (tables.length === 0) return undefined;
    const [first] = tables;
    const detail = draw.word('', '', ` where (true)`, first?.columns[0] ? ` (${first.columns[0].name})` : '');
    const list = tables.map(({ sql }, index) => `${sql}${index === 0 ? detail : ''}`).join(', ');
    const what = draw.once(5) ? 'for all tables' : `for table ${list}`;
    return {
      sql: `create publication ${quote(name('pub'))} ${what}${draw.word('', ` with (publish = 'insert')`)}`,
    };
  },

  comment: (state, draw, name) => {
    const on = draw.of(state.commentable);
    return on === undefined ? undefined : { sql: `comment on ${on} is ${literal(name(`-- it's; $$`))}` };
  },

  grant: (state, draw) => {
    const on = draw.of(state.grantable);
    const privileges = draw.of(on?.privileges ?? []);
    if (on === undefined || privileges === undefined) return undefined;
    return {
      sql: draw.word(
        `grant ${privileges} on ${on.target} to ${draw.word('public', `${rolePrefix}_a`, `${rolePrefix}_b`)}`,
        `grant ${privileges} on ${on.target} to ${rolePrefix}_a with grant option`,
        `set role ${rolePrefix}_a; grant ${privileges} on ${on.target} to ${rolePrefix}_b; reset role`,
        `revoke ${privileges} on ${on.target} from postgres`,
      ),
    };
  },

  defaultPrivileges: (state, draw) => {
    const where = draw.once(2) ? ` in schema ${draw.of(state.schemas)}` : '';
    const what = draw.word(
      'select on tables',
      'all on tables',
      'usage on sequences',
      'execute on functions',
      'usage on types',
    );
    return {
      sql: `alter default privileges${where} ${draw.once(4) ? `revoke ${what} from` : `grant ${what} to`} ${draw.word(`${rolePrefix}_a`, `${rolePrefix}_b`, 'public')}`,
    };
  },

  owner: (state, draw) => {
    const on = draw.of([...state.tables, ...state.views, ...state.materialized]);
    return on === undefined
      ? undefined
      : { sql: `alter table ${on.sql} owner to ${draw.word(`${rolePrefix}_a`, `${rolePrefix}_b`)}` };
  },

  type: (state, draw, name) => {
    const sql = qualified(state, draw, name('ty'));
    const base = draw.of(state.types);
    const table = draw.of(state.tables);
    if (base === undefined) return undefined;
    const kind = draw.word('enum', 'domain', 'composite', 'range', ...(table ? ['row domain'] : []));
    const whole = table?.sql ?? 'int';
    const made: Readonly<Record<string, { sql: string; value: string }>> = {
      enum: { sql: `create type ${sql} as enum ('a', 'it''s', 'ö')`, value: `'it''s'::${sql}` },
      domain: {
        sql: `create domain ${sql} as ${base.sql} default ${base.value} constraint ${quote(name('d'))} check (value is not null or true)`,
        value: `${base.value}::${sql}`,
      },
      composite: {
        sql: `create type ${sql} as (x int, "y ""z" ${base.sql})`,
        value: `row(1, ${base.value})::${sql}`,
      },
      range: {
        sql: `create type ${sql} as range (subtype = ${draw.word('text', 'float8', 'date')})`,
        value: `null::${sql}`,
      },
      'row domain': {
        sql: `create domain ${sql} as ${whole} check (value is null or true)`,
        value: `null::${sql}`,
      },
    };
    const one = made[kind];
    return (
      one && {
        sql: one.sql,
        after: (now) => {
          now.types.push({ sql, value: one.value });
          now.commentable.push(`type ${sql}`);
          now.grantable.push({ target: `type ${sql}`, privileges: ['usage'] });
        },
      }
    );
  },

  routine: (state, draw, name) => {
    const table = draw.of([...state.tables, ...state.views]);
    if (table === undefined) return undefined;
    const sql = qualified(state, draw, name('fn'));
    const [head, signature] = draw
      .word(
        `function ${sql}(r ${table.sql}) returns int language sql immutable as 'select 1'|${sql}(${table.sql})`,
        `function ${sql}() returns setof ${table.sql} language sql begin atomic select * from ${table.sql}; end|${sql}()`,
        `function ${sql}(a int default 5, variadic b ${table.sql}[] default null) returns table (n bigint) language sql begin atomic select count(*) from ${table.sql}; end|${sql}(int, ${table.sql}[])`,
        `procedure ${sql}(inout x ${table.sql}) language plpgsql as $$ begin x := null; end $$|${sql}(${table.sql})`,
        `function ${sql}() returns bigint language sql stable strict parallel safe cost 7 set work_mem = '4MB' begin atomic select count(*) from ${table.sql}; end|${sql}()`,
      )
      .split('|');
    return {
      sql: `create ${head}`,
      after: (now) => {
        now.commentable.push(`routine ${signature}`);
        now.grantable.push({ target: `routine ${signature}`, privileges: ['execute'] });
      },
    };
  },

  operator: (state, draw, name) => {
    const table = draw.of(state.tables);
    if (table === undefined) return undefined;
    const call = qualified(state, draw, name('op'));
    const sign = draw.word('===', '<<>>', '~%~', '@@@');
    const schema = call.slice(0, call.indexOf('.'));
    const more = draw.word(
      `create operator ${schema}.${sign} (leftarg = ${table.sql}, rightarg = ${table.sql}, function = ${call}, commutator = operator(${schema}.${sign}))`,
      `create aggregate ${qualified(state, draw, name('agg'))}(${table.sql}) (sfunc = ${call}_step, stype = int, initcond = '0')`,
      `create cast (${table.sql} as int) with function ${call}_step(${table.sql})`,
    );
    const step = `${call}_step`.replace(/"_step$/, '_step"');
    return {
      sql: [
        `create function ${call}(${table.sql}, ${table.sql}) returns bool language sql immutable as 'select true'`,
        more.includes('aggregate')
          ? `create function ${step}(int, ${table.sql}) returns int language sql as 'select 1'`
          : '',
        more.includes('cast')
          ? `create function ${step}(${table.sql}) returns int language sql as 'select 1'`
          : '',
        more.replaceAll(`${call}_step`, step),
      ]
        .filter((one) => one !== '')
        .join(';\n'),
    };
  },

  rows: (state, draw) => {
    const table = draw.of(state.tables);
    if (table === undefined) return undefined;
    const columns = table.columns.filter(({ generated }) => !generated);
    const rows = Array.from({ length: 1 + draw.below(3) }, (_, index) =>
      columns
        .map(({ sql, value }) => (/^(int|bigint)$/.test(sql) ? String(index + draw.below(30)) : value))
        .join(', '),
    );
    if (columns.length === 0 || draw.once(4)) return { sql: `insert into ${table.sql} default values` };
    const names = columns.map((column) => column.name).join(', ');
    return { sql: `insert into ${table.sql} (${names}) values ${rows.map((row) => `(${row})`).join(', ')}` };
  },
} satisfies Record<string, Maker>;
