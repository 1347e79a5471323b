import type { Session } from '../../session/session.ts';
import { type Closure, type Member, membersIn, type ObjectKey } from '../closure.ts';
import { withoutInternalOptions } from '../internal-options.ts';
import { makes, type Phase, type Piece } from '../piece.ts';
import { definitionSql, olderIndexesSql } from './referenced-indexes.ts';
import { renameCloneSql } from './rename-clones.ts';

interface ConstraintRow {
  oid: number;
  type: 'check' | 'foreign key' | 'key' | 'not null' | 'trigger' | 'domain';
  table: string;
  /** Name and definition as `alter table … add` accepts them. */
  definition: string;
  /** Whether the statement applies to the children too. */
  recurses: boolean;
  /** Whether it is created with another constraint instead of by its own statement. */
  cloned: boolean;
  /** The objects that must exist first, if they are in the closure. */
  needs: ObjectKey[];
  rename: string | null;
  /** The constraints of parents that are not valid although this one is valid, so that it must be validated. */
  unproved: ObjectKey[] | null;
  validate: string;
  /** Statements for options and tablespace of the index, which `pg_get_constraintdef` does not print. */
  index: string[];
}

// Which statement creates which constraint:
// - A check constraint that is only inherited is created with the parent's, which recurses, or with the table if the
//   parent stays. But a partition must have it before it is attached to a parent that stays.
// - Keys are created one by one, and their indexes attached. Exclusion constraints and keys without overlaps can only
//   be created on the parent, which clones them.
// - Foreign keys of partitions are created first; adding the parent's foreign key then links them.
// - A foreign key that references a partitioned table has a clone for each of that table's partitions.
// Clones get names that the server chooses, and are renamed afterwards.
const constraintsSql = /* sql */ `
  with constraints as (
    select k.*, k.tableoid as classid, n.nspname, c.relname, c.relispartition, c.relkind,
      exists (select from pg_catalog.pg_inherits as h where h.inhparent = k.conrelid) as has_children,
      (select h.inhparent from pg_catalog.pg_inherits as h where h.inhrelid = k.conrelid and c.relispartition) as partition_of,
      o.conrelid as origin_relation, o.conname as origin_name,
      k.contype = 'x' or coalesce((pg_catalog.to_jsonb(k) ->> 'conperiod')::boolean, false) and k.contype in ('p', 'u')
        as excludes
    from pg_catalog.pg_constraint as k
    join pg_catalog.pg_class as c on c.oid = k.conrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    left join pg_catalog.pg_constraint as o on o.oid = k.conparentid
    where k.oid = any ($1)
  )
  select k.oid::bigint as oid,
    case when k.conrelid = 0 then 'domain' else
      case k.contype when 'c' then 'check' when 'f' then 'foreign key' when 't' then 'trigger'
        -- a valid one is written with its column
        when 'n' then case when k.convalidated then 'not null' else 'check' end
        else 'key' end
    end as type,
    pg_catalog.format('%I.%I', k.nspname, k.relname) as table,
    pg_catalog.format('constraint %I %s', k.conname, ${definitionSql}) as definition,
    case k.contype
      when 'c' then k.has_children and not k.connoinherit
      when 'n' then k.has_children and not k.connoinherit
      when 'f' then k.relkind = 'p'
      else k.relkind = 'p' and k.excludes
    end as recurses,
    case k.contype
      when 'c' then not k.conislocal and not (k.relispartition and k.partition_of not in (select pg_catalog.unnest($2::oid[])))
      when 'n' then not k.conislocal and not (k.relispartition and k.partition_of not in (select pg_catalog.unnest($2::oid[])))
      when 'f' then k.conparentid <> 0 and k.origin_relation = k.conrelid
      else k.conparentid in (select pg_catalog.unnest($1::oid[])) and k.excludes
    end as cloned,
    array(
      -- the attached partitions of its table
      select h.tableoid::bigint || '/' || h.inhrelid::bigint
      from pg_catalog.pg_inherits as h where h.inhparent = k.conrelid
      union all
      select c.tableoid::bigint || '/' || c.oid::bigint
      from pg_catalog.pg_inherits as h join pg_catalog.pg_class as c on c.oid = h.inhrelid
      where h.inhparent = k.conrelid
      union all
      -- the same check constraint declared by a child, or foreign key of a partition
      select o.tableoid::bigint || '/' || o.oid::bigint
      from pg_catalog.pg_inherits as h
      join pg_catalog.pg_constraint as o on o.conrelid = h.inhrelid and o.contype = k.contype
      where h.inhparent = k.conrelid
        and (k.contype = 'c' and o.conname = k.conname and o.conislocal
          or k.contype = 'f' and o.conparentid = k.oid)
      union all
      -- the constraint that it is a clone of
      select o.tableoid::bigint || '/' || o.oid::bigint
      from pg_catalog.pg_constraint as o
      where o.oid = k.conparentid
        and (k.contype = 'f' and o.conrelid = k.conrelid or k.contype <> 'f' and k.excludes)
      union all
      select o.tableoid::bigint || '/' || o.oid::bigint
      from pg_catalog.pg_inherits as h
      join pg_catalog.pg_constraint as o on o.conrelid = h.inhparent and o.contype = 'c' and o.conname = k.conname
      where k.contype = 'c' and not k.conislocal and h.inhrelid = k.conrelid
      union all
      select h.tableoid::bigint || '/' || h.inhrelid::bigint
      from pg_catalog.pg_inherits as h
      where k.contype = 'f' and k.origin_relation = k.conrelid and h.inhrelid = k.confrelid
      union all
      -- the partitions that may contain referenced rows, unless it must exist before they are attached
      select h.tableoid::bigint || '/' || h.inhrelid::bigint
      from pg_catalog.pg_partition_tree(k.confrelid) as p
      join pg_catalog.pg_inherits as h on h.inhrelid = p.relid
      where k.contype = 'f' and (k.conparentid = 0 or k.conparentid in (select pg_catalog.unnest($1::oid[])))
      union all
      -- the indexes that foreign keys would reference otherwise
      ${olderIndexesSql(`case when k.contype in ('p', 'u') then k.conindid end`)}
    ) as needs,
    ${renameCloneSql} as rename,
    array(
      select pg_catalog.format('alter index %I.%I set (%s)', n.nspname, i.relname, pg_catalog.string_agg(
        pg_catalog.format('%I = %L', o.option_name, o.option_value), ', '))
      from pg_catalog.pg_class as i
      join pg_catalog.pg_namespace as n on n.oid = i.relnamespace
      cross join lateral pg_catalog.pg_options_to_table(${withoutInternalOptions('i.reloptions')}) as o
      where i.oid = k.conindid and k.contype in ('p', 'u', 'x')
      group by n.nspname, i.relname
      union all
      select pg_catalog.format('alter index %I.%I set tablespace %I', n.nspname, i.relname, s.spcname)
      from pg_catalog.pg_class as i
      join pg_catalog.pg_namespace as n on n.oid = i.relnamespace
      join pg_catalog.pg_tablespace as s on s.oid = i.reltablespace
      where i.oid = k.conindid and k.contype in ('p', 'u', 'x')
    ) as index,
    u.keys as unproved,
    pg_catalog.format('alter table %I.%I validate constraint %I', k.nspname, k.relname, k.conname) as validate
  from constraints as k
  cross join lateral (
    select pg_catalog.array_agg(o.tableoid::bigint || '/' || o.oid::bigint) as keys
    from pg_catalog.pg_inherits as h
    join pg_catalog.pg_constraint as o
      on o.conrelid = h.inhparent and o.contype = k.contype and not o.convalidated and o.oid = any ($1)
    where h.inhrelid = k.conrelid and k.convalidated and not k.conislocal
      and (k.contype = 'c' and o.conname = k.conname
        or k.contype = 'n' and (
          select a.attname from pg_catalog.pg_attribute as a where a.attrelid = k.conrelid and a.attnum = k.conkey[1])
          = (select a.attname from pg_catalog.pg_attribute as a where a.attrelid = o.conrelid and a.attnum = o.conkey[1]))
  ) as u
  order by k.nspname, k.relname, k.conname`;

const phaseOf: Partial<Record<ConstraintRow['type'], Phase>> = {
  check: 'check',
  key: 'key',
  'foreign key': 'foreign key',
};

/** Captures keys, checks and foreign keys. NOT NULL is captured with columns, constraint triggers with triggers. */
export async function captureConstraints(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_constraint');
  const relations = [...membersIn(closure, 'pg_class').keys()];
  const rows = await session.read<ConstraintRow>(constraintsSql, [[...members.keys()], relations]);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    const phase = phaseOf[row.type];
    if (member === undefined) return [];
    const pieces = phase === undefined ? [] : [pieceOf(row, member, phase)];
    return row.unproved === null ? pieces : [...pieces, validation(row, member, row.unproved)];
  });
}

function validation({ validate }: ConstraintRow, member: Member, unproved: readonly ObjectKey[]): Piece {
  const { kind, identity } = member;
  return { phase: 'clone', kind, identity, creates: [], needs: [member.key, ...unproved], sql: [validate] };
}

function pieceOf(row: ConstraintRow, member: Member, phase: Phase): Piece {
  if (row.cloned) {
    const rename = row.type === 'check' ? null : row.rename;
    return { ...makes(member, 'clone', [rename, ...row.index]), needs: row.needs };
  }
  const add = `alter table ${row.recurses ? '' : 'only '}${row.table} add ${row.definition}`;
  return { ...makes(member, phase, [add, ...row.index]), needs: row.needs };
}
