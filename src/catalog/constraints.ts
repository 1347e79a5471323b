import type { Session } from '../session.ts';
import { type Closure, membersIn } from './closure.ts';
import { makes, type Phase, type Piece } from './piece.ts';

interface ConstraintRow {
  oid: number;
  type: 'check' | 'foreign key' | 'key' | 'not null' | 'trigger' | 'domain';
  sql: string;
  /** `pg_get_constraintdef` leaves out the options and the tablespace of the index. */
  indexOptions: string | null;
  indexTablespace: string | null;
}

const constraintsSql = /* sql */ `
  select k.oid::bigint as oid,
    case when k.conrelid = 0 then 'domain' else
      case k.contype when 'c' then 'check' when 'f' then 'foreign key' when 'n' then 'not null' when 't' then 'trigger'
        else 'key' end
    end as type,
    pg_catalog.format('alter table only %I.%I add constraint %I %s',
      n.nspname, c.relname, k.conname, pg_catalog.pg_get_constraintdef(k.oid)) as sql,
    (select pg_catalog.format('alter index %I.%I set (%s)', i_n.nspname, i.relname,
       pg_catalog.string_agg(pg_catalog.format('%I = %L', o.option_name, o.option_value), ', '))
     from pg_catalog.pg_class as i
     join pg_catalog.pg_namespace as i_n on i_n.oid = i.relnamespace
     cross join lateral pg_catalog.pg_options_to_table(i.reloptions) as o
     where i.oid = k.conindid and k.contype in ('p', 'u', 'x')
     group by i_n.nspname, i.relname) as "indexOptions",
    (select pg_catalog.format('alter index %I.%I set tablespace %I', i_n.nspname, i.relname, s.spcname)
     from pg_catalog.pg_class as i
     join pg_catalog.pg_namespace as i_n on i_n.oid = i.relnamespace
     join pg_catalog.pg_tablespace as s on s.oid = i.reltablespace
     where i.oid = k.conindid and k.contype in ('p', 'u', 'x')) as "indexTablespace"
  from pg_catalog.pg_constraint as k
  left join pg_catalog.pg_class as c on c.oid = k.conrelid
  left join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where k.oid = any ($1)
  order by n.nspname, c.relname, k.conname`;

const phaseOf: Partial<Record<ConstraintRow['type'], Phase>> = {
  check: 'check',
  key: 'key',
  'foreign key': 'foreign key',
};

/**
 * Keys with their index, checks and foreign keys. NOT NULL constraints are written with the columns, constraint
 * triggers with the triggers.
 */
export async function captureConstraints(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_constraint');
  const rows = await session.read<ConstraintRow>(constraintsSql, [[...members.keys()]]);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    const phase = phaseOf[row.type];
    if (member === undefined || phase === undefined) return [];
    return [makes(member, phase, [row.sql, row.indexOptions, row.indexTablespace])];
  });
}
