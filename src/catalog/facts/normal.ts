/**
 * The normal form of catalog rows: which rows belong to a closure, which columns are left out, and how columns with
 * other than plain values are printed. https://www.postgresql.org/docs/current/catalogs.html
 */

import { type Address, withoutMadeUpNumbers } from '../identity.ts';
import { withoutInternalOptions } from '../internal-options.ts';

export interface Rows {
  /** The catalog of the members that have such rows; undefined if objects of any catalog may have them. */
  readonly of?: string;
  /**
   * The condition for rows: `$1` is the OIDs of the relations, `$2` and `$3` are class and object OIDs of all members.
   */
  readonly where: string;
  /** The object that the row describes: its address, or SQL for its name. */
  readonly identity: Address | string;
  /** Joins that `where` and `identity` need in addition to the row, alias `t`. */
  readonly join?: string;
  /** Columns that are not facts here, in addition to `noise`. */
  readonly leftOut?: readonly string[];
  /** SQL for columns whose normal form differs from the usual one. */
  readonly values?: Readonly<Record<string, string>>;
}

/** Describes a catalog whose rows are objects. */
function objects(catalog: string): Rows {
  return {
    of: catalog,
    where: /* sql */ `t.oid in (
      select m.objid from unnest($2::oid[], $3::oid[]) as m (classid, objid)
      where m.classid = 'pg_catalog.${catalog}'::pg_catalog.regclass)`,
    identity: ['t.tableoid', 't.oid', '0'],
  };
}

/** Describes a catalog whose rows belong to an object in another catalog. */
function partsOf(catalog: string, column: string, subobject = '0'): Rows {
  return {
    of: catalog,
    where:
      catalog === 'pg_class'
        ? `t.${column} = any ($1::oid[])`
        : objects(catalog).where.replace('t.oid', `t.${column}::oid`),
    identity: [`'pg_catalog.${catalog}'::pg_catalog.regclass`, `t.${column}`, subobject],
  };
}

/** Describes a catalog whose rows refer to objects of any catalog. */
function notesOn(classid: string, objid: string, objsubid: string): Rows {
  return {
    where: /* sql */ `(t.${classid}, t.${objid}) in (
      select m.classid, m.objid from unnest($2::oid[], $3::oid[]) as m (classid, objid))`,
    identity: [`t.${classid}`, `t.${objid}`, objsubid],
  };
}

export const rows = {
  pg_class: { ...objects('pg_class'), where: 't.oid = any ($1::oid[])' },
  pg_attribute: {
    ...partsOf('pg_class', 'attrelid', 't.attnum'),
    where: 't.attrelid = any ($1::oid[]) and t.attnum > 0 and not t.attisdropped',
  },
  pg_attrdef: objects('pg_attrdef'),
  pg_constraint: objects('pg_constraint'),
  pg_index: partsOf('pg_class', 'indexrelid'),
  pg_inherits: partsOf('pg_class', 'inhrelid'),
  pg_type: objects('pg_type'),
  pg_enum: partsOf('pg_type', 'enumtypid'),
  pg_range: partsOf('pg_type', 'rngtypid'),
  pg_sequence: partsOf('pg_class', 'seqrelid'),
  pg_rewrite: objects('pg_rewrite'),
  pg_trigger: objects('pg_trigger'),
  pg_policy: objects('pg_policy'),
  pg_statistic_ext: objects('pg_statistic_ext'),
  pg_partitioned_table: partsOf('pg_class', 'partrelid'),
  pg_publication_rel: objects('pg_publication_rel'),
  pg_proc: objects('pg_proc'),
  pg_aggregate: partsOf('pg_proc', 'aggfnoid'),
  pg_cast: objects('pg_cast'),
  pg_operator: objects('pg_operator'),
  pg_opclass: objects('pg_opclass'),
  pg_amop: objects('pg_amop'),
  pg_amproc: objects('pg_amproc'),
  pg_foreign_table: partsOf('pg_class', 'ftrelid'),
  pg_description: notesOn('classoid', 'objoid', 't.objsubid'),
  pg_seclabel: notesOn('classoid', 'objoid', 't.objsubid'),
  pg_init_privs: notesOn('classoid', 'objoid', 't.objsubid'),
  pg_depend: {
    ...notesOn('classid', 'objid', 't.objsubid'),
    // The dependencies of a foreign key's triggers depend on the order in which partitions were attached.
    where: /* sql */ `${notesOn('classid', 'objid', 't.objsubid').where}
      and not (t.deptype <> 'a' and t.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
        and exists (select from pg_catalog.pg_trigger as g where g.oid = t.objid and g.tgisinternal))`,
  },
  pg_shdepend: {
    ...notesOn('classid', 'objid', 't.objsubid'),
    where: /* sql */ `t.dbid = (
        select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
      and ${notesOn('classid', 'objid', 't.objsubid').where}`,
  },
} satisfies Readonly<Record<string, Rows>>;

/**
 * Columns that are not facts, each with the reason. All other columns of these catalogs are facts, including columns
 * that a later server adds. If the server fills such a column by itself, the difference is refused, and nothing is
 * lost.
 */
export const noise: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  pg_class: {
    relfilenode: 'name of the file',
    relpages: 'estimate, written by VACUUM and ANALYZE',
    reltuples: 'estimate, written by VACUUM and ANALYZE',
    relallvisible: 'estimate, written by VACUUM',
    relallfrozen: 'estimate, written by VACUUM (18)',
    relfrozenxid: 'transaction number, written by VACUUM',
    relminmxid: 'transaction number, written by VACUUM',
    relrewrite: 'set only while ALTER TABLE rewrites',
    relnatts: 'counts dropped columns too; the columns are facts themselves',
    relhasindex: 'hint that VACUUM resets; the indexes are facts themselves',
    relhasrules: 'hint; the rules are facts themselves',
    relhastriggers: 'hint that VACUUM resets; the triggers are facts themselves',
    relhassubclass: 'hint that ANALYZE resets; pg_inherits has the facts',
  },
  pg_attribute: {
    attcacheoff: 'cache, -1 in the catalog (until 17)',
    attmissingval: 'value for rows that existed when the column was added; restored rows contain it',
    atthasmissing: 'whether attmissingval is set',
    attisdropped: 'dropped columns are not facts',
  },
  pg_index: { indcheckxmin: 'set while older transactions may not use the index' },
  pg_rewrite: { ev_qual: 'printed with ev_action' },
  pg_description: { objoid: 'in the identity', objsubid: 'in the identity' },
  pg_seclabel: { objoid: 'in the identity', objsubid: 'in the identity' },
  pg_init_privs: { objoid: 'in the identity', objsubid: 'in the identity' },
  pg_depend: { objid: 'in the identity', objsubid: 'in the identity', refobjsubid: 'in refobjid' },
  pg_collation: {
    collversion: "version of the operating system's or ICU's collation at the time of creation",
  },
  pg_shdepend: { dbid: 'this database', objid: 'in the identity', objsubid: 'in the identity' },
};

/** SQL that prints the expression trees in a column. */
export const expressions: Readonly<Record<string, string>> = {
  'pg_attrdef.adbin': 'pg_catalog.pg_get_expr(t.adbin, t.adrelid)',
  'pg_class.relpartbound': 'pg_catalog.pg_get_expr(t.relpartbound, t.oid)',
  'pg_constraint.conbin': 'pg_catalog.pg_get_expr(t.conbin, t.conrelid)',
  'pg_index.indpred': 'pg_catalog.pg_get_expr(t.indpred, t.indrelid)',
  'pg_index.indexprs': withoutMadeUpNumbers('pg_catalog.pg_get_indexdef(t.indexrelid)'),
  'pg_partitioned_table.partexprs': 'pg_catalog.pg_get_partkeydef(t.partrelid)',
  'pg_policy.polqual': 'pg_catalog.pg_get_expr(t.polqual, t.polrelid)',
  'pg_policy.polwithcheck': 'pg_catalog.pg_get_expr(t.polwithcheck, t.polrelid)',
  'pg_proc.proargdefaults': 'pg_catalog.pg_get_function_arguments(t.oid)',
  'pg_proc.prosqlbody': 'pg_catalog.pg_get_function_sqlbody(t.oid)',
  'pg_publication_rel.prqual': 'pg_catalog.pg_get_expr(t.prqual, t.prrelid)',
  'pg_rewrite.ev_action': 'pg_catalog.pg_get_ruledef(t.oid)',
  'pg_rewrite.ev_qual': 'null',
  'pg_statistic_ext.stxexprs': 'pg_catalog.pg_get_statisticsobjdef(t.oid)',
  // pg_get_expr fails on OLD and NEW.
  'pg_trigger.tgqual': 'case when not t.tgisinternal then pg_catalog.pg_get_triggerdef(t.oid) end',
  'pg_type.typdefaultbin': 'pg_catalog.pg_get_expr(t.typdefaultbin, 0)',
};

/** SQL for access lists, sorted, with the default list written out. */
export const accessLists: Readonly<Record<string, string>> = {
  'pg_class.relacl': accessList(
    't.relacl',
    /* sql */ `case when t.relkind = 'S' then 's'::"char" else 'r'::"char" end`,
    't.relowner',
  ),
  'pg_attribute.attacl': /* sql */ `(
    select pg_catalog.jsonb_agg(i.item::text order by i.item::text) from pg_catalog.unnest(t.attacl) as i (item))`,
  'pg_type.typacl': accessList('t.typacl', `'T'`, 't.typowner'),
  'pg_proc.proacl': accessList('t.proacl', `'f'`, 't.proowner'),
  'pg_namespace.nspacl': accessList('t.nspacl', `'n'`, 't.nspowner'),
  'pg_language.lanacl': accessList('t.lanacl', `'l'`, 't.lanowner'),
  'pg_foreign_data_wrapper.fdwacl': accessList('t.fdwacl', `'F'`, 't.fdwowner'),
  'pg_foreign_server.srvacl': accessList('t.srvacl', `'S'`, 't.srvowner'),
  'pg_default_acl.defaclacl': /* sql */ `(
    select pg_catalog.jsonb_agg(i.item::text order by i.item::text) from pg_catalog.unnest(t.defaclacl) as i (item))`,
  'pg_init_privs.initprivs': /* sql */ `(
    select pg_catalog.jsonb_agg(i.item::text order by i.item::text) from pg_catalog.unnest(t.initprivs) as i (item))`,
};

function accessList(column: string, kind: string, owner: string): string {
  return /* sql */ `(
    select pg_catalog.jsonb_agg(i.item::text order by i.item::text)
    from pg_catalog.unnest(coalesce(${column}, pg_catalog.acldefault(${kind}, ${owner}))) as i (item))`;
}

/**
 * SQL for options without internal ones.
 *
 * Other columns look internal but are facts: attlen, attbyval and attalign come from the type, and a column cannot be
 * read without them; attstattarget, indisvalid, indisready, indislive, inhdetachpending, convalidated, relispopulated
 * and tgenabled are states that users see or set; relchecks, atthasdef and pronargs are counts of other facts.
 */
export const options: Readonly<Record<string, string>> = {
  'pg_attribute.attoptions': withoutInternalOptions('t.attoptions'),
  'pg_class.reloptions': withoutInternalOptions('t.reloptions'),
};

/** Arrays of column numbers that PostgreSQL does not list as foreign keys, and the column of their relation. */
export const attnumArrays: Readonly<Record<string, string>> = {
  'pg_constraint.confdelsetcols': 'conrelid',
  'pg_publication_rel.prattrs': 'prrelid',
};

export const overrides: Readonly<Record<string, string>> = {
  'pg_class.relname': withoutMadeUpNumbers('t.relname'),
  'pg_trigger.tgname': withoutMadeUpNumbers('t.tgname'),
  'pg_type.typname': withoutMadeUpNumbers('t.typname'),
  // With an expression, typdefault is its text as printed under the search path of the session that created the type.
  'pg_type.typdefault': 'case when t.typdefaultbin is null then t.typdefault end',
  'pg_class.reltoastrelid': /* sql */ `(
    select pg_catalog.to_jsonb(${withoutInternalOptions('toast.reloptions')})
    from pg_catalog.pg_class as toast where toast.oid = t.reltoastrelid)`,
  // Dropped columns leave gaps in the numbers.
  'pg_attribute.attnum': /* sql */ `(
    select pg_catalog.count(*) from pg_catalog.pg_attribute as a
    where a.attrelid = t.attrelid and a.attnum between 1 and t.attnum and not a.attisdropped)`,
  // Dropped parents leave gaps too.
  'pg_inherits.inhseqno': /* sql */ `(
    select pg_catalog.count(*) from pg_catalog.pg_inherits as h
    where h.inhrelid = t.inhrelid and h.inhseqno <= t.inhseqno)`,
  // CREATE TABLE AS sets 0 for arrays of one dimension; the value has no effect.
  'pg_attribute.attndims': /* sql */ `
    case when exists (select from pg_catalog.pg_type as y where y.oid = t.atttypid and y.typelem <> 0 and y.typlen = -1)
      then greatest(t.attndims, 1) else t.attndims end`,
  // The default target is null from 17 on.
  'pg_attribute.attstattarget': 'nullif(t.attstattarget, -1)',
  'pg_statistic_ext.stxstattarget': 'nullif(t.stxstattarget, -1)',
  // For these types of constraints the value has no effect and depends on the server version.
  'pg_constraint.connoinherit': /* sql */ `
    case when t.contype in ('p', 'u', 'x', 'f') then null else t.connoinherit end`,
};

/** Columns whose address is given by several columns or by an expression. */
export const addresses: Readonly<Record<string, Address>> = {
  'pg_depend.refobjid': ['t.refclassid', 't.refobjid', 't.refobjsubid'],
  'pg_shdepend.refobjid': ['t.refclassid', 't.refobjid', '0'],
  'pg_trigger.tgparentid': [
    `'pg_catalog.pg_trigger'::pg_catalog.regclass`,
    'case when t.tgisinternal then 0::oid else t.tgparentid end',
    '0',
  ],
};
