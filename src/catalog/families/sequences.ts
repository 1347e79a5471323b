import type { Session } from '../../session/session.ts';
import type { Closure } from '../closure.ts';
import { addsTo, makes, type Piece } from '../piece.ts';
import { readSequenceStates } from '../sequence-states.ts';

interface SequenceRow {
  oid: number;
  name: string;
  /** The name as a literal. */
  literal: string;
  /** Null for the sequence of an identity column, which its table creates. */
  create: string | null;
  owner: string;
  ownedBy: string | null;
  start: string;
  /** Sets the persistence of an identity column's sequence if it differs from that of the table. */
  persistence: string | null;
  /** Sets the type of an identity column's sequence if it differs from that of the column. */
  type: string | null;
}

const sequencesSql = /* sql */ `
  select c.oid::bigint as oid,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
    pg_catalog.quote_literal(pg_catalog.format('%I.%I', n.nspname, c.relname)) as literal,
    case when d.deptype is distinct from 'i' then pg_catalog.format(
      'create %ssequence %I.%I as %s start with %s increment by %s minvalue %s maxvalue %s cache %s%s',
      case c.relpersistence when 'u' then 'unlogged ' end,
      n.nspname, c.relname, pg_catalog.format_type(s.seqtypid, null), s.seqstart, s.seqincrement,
      s.seqmin, s.seqmax, s.seqcache, case when s.seqcycle then ' cycle' end)
    end as create,
    pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner)) as owner,
    case when d.deptype = 'a' then pg_catalog.format('%I.%I.%I', tn.nspname, t.relname, a.attname) end as "ownedBy",
    s.seqstart::text as start,
    case when $2 and d.deptype = 'i' and c.relpersistence <> t.relpersistence then
      pg_catalog.format('alter sequence %I.%I set %s', n.nspname, c.relname,
        case c.relpersistence when 'u' then 'unlogged' else 'logged' end)
    end as persistence,
    -- LIKE ... INCLUDING IDENTITY creates a bigint sequence for any column
    case when d.deptype = 'i' and s.seqtypid <> a.atttypid then
      pg_catalog.format('alter sequence %I.%I as %s minvalue %s maxvalue %s', n.nspname, c.relname,
        pg_catalog.format_type(s.seqtypid, null), s.seqmin, s.seqmax)
    end as type
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_sequence as s on s.seqrelid = c.oid
  left join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.objsubid = 0
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjsubid > 0
    and d.deptype in ('a', 'i')
  left join pg_catalog.pg_class as t on t.oid = d.refobjid
  left join pg_catalog.pg_namespace as tn on tn.oid = t.relnamespace
  left join pg_catalog.pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
  where c.oid = any ($1)
  order by n.nspname, c.relname`;

/** Captures sequences that belong to a column, and the state of all sequences, including those of identity columns. */
export async function captureSequences(session: Session, closure: Closure): Promise<Piece[]> {
  const members = new Map(
    closure.members.filter((member) => member.kind === 'sequence').map((member) => [member.objid, member]),
  );
  const rows = await session.read<SequenceRow>(sequencesSql, [
    [...members.keys()],
    session.server.unloggedSequences,
  ]);
  const states = await readSequenceStates(
    session,
    rows.map(({ name }) => name),
  );
  return rows.flatMap((row, index) => {
    const member = members.get(row.oid);
    const state = states[index];
    if (member === undefined || state === undefined) return [];
    const untouched = state.value === row.start && !state.called;
    const set = `select pg_catalog.setval(${row.literal}, ${state.value}, '${state.called ? 't' : 'f'}')`;
    return [
      ...(row.create === null
        ? []
        : [
            makes(member, 'sequence', [
              row.create,
              `alter sequence ${row.name} owner to ${row.owner}`,
              row.ownedBy && `alter sequence ${row.name} owned by ${row.ownedBy}`,
            ]),
          ]),
      ...addsTo(member, 'state', [row.persistence, row.type, untouched ? null : set]),
    ];
  });
}
