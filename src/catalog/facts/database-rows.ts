import { inArchiveSql } from '../archive-schemas.ts';
import { identitySql } from '../identity.ts';
import { withoutInternalOptions } from '../internal-options.ts';
import type { Rows } from './normal.ts';
import { type Notation, pointerSql } from './normal-rows.ts';
import { resolvedSql } from './resolved.ts';

// The facts of a whole database. Looking up each name separately, as for a closure, would take minutes. Instead, the
// names of relations are computed once and joined, as are the names of other objects that many rows refer to.

// Objects that initdb creates have lower OIDs. https://www.postgresql.org/docs/current/system-catalog-initial-data.html
const firstOfUsers = 16384;
// OIDs below this one are assigned in the server's sources: they are the same in all databases of a major version, and
// identify an object as well as its name.
const firstGenerated = 10000;

/** Catalogs of objects that do not belong to a relation, with the column of the schema; null if they have no schema. */
const byThemselves: Readonly<Record<string, string | null>> = {
  pg_namespace: null,
  pg_proc: 'pronamespace',
  pg_operator: 'oprnamespace',
  pg_opclass: 'opcnamespace',
  pg_opfamily: 'opfnamespace',
  pg_collation: 'collnamespace',
  pg_conversion: 'connamespace',
  pg_ts_config: 'cfgnamespace',
  pg_ts_dict: 'dictnamespace',
  pg_ts_parser: 'prsnamespace',
  pg_ts_template: 'tmplnamespace',
  pg_cast: null,
  pg_language: null,
  pg_transform: null,
  pg_am: null,
  pg_event_trigger: null,
  pg_foreign_data_wrapper: null,
  pg_foreign_server: null,
  pg_publication: null,
  pg_publication_namespace: null,
  pg_default_acl: null,
  pg_extension: null,
};

const partsOfRelations = {
  pg_constraint: 'conrelid',
  pg_rewrite: 'ev_class',
  pg_trigger: 'tgrelid',
  pg_policy: 'polrelid',
  pg_statistic_ext: 'stxrelid',
  pg_publication_rel: 'prrelid',
};

/** Returns the common table expressions that `databaseRows` and `joined` refer to, for a server with these catalogs. */
export function databaseObjectsSql(catalogs: ReadonlySet<string>): string {
  const objects = [
    'select s.tableoid, s.oid from schemas as s',
    'select r.tableoid, r.oid from relations as r',
    'select t.tableoid, t.oid from types as t',
    ...Object.entries(partsOfRelations).map(
      ([catalog, column]) =>
        `select t.tableoid, t.oid from pg_catalog.${catalog} as t join relations as r on r.oid = t.${column}`,
    ),
    'select k.tableoid, k.oid from pg_catalog.pg_constraint as k join types as t on t.oid = k.contypid',
    ...Object.entries(byThemselves)
      .filter(([catalog]) => catalogs.has(catalog) && catalog !== 'pg_namespace')
      .map(([catalog, schema]) => {
        const inSchema = schema === null ? '' : `and t.${schema} in (select s.oid from schemas as s)`;
        return /* sql */ `
          select t.tableoid, t.oid from pg_catalog.${catalog} as t
          where t.oid >= ${firstOfUsers} ${inSchema} and ${belongsToNone('t.tableoid', 't.oid')}`;
      }),
  ];
  return /* sql */ `
    extensions as (
      select d.classid, d.objid from pg_catalog.pg_depend as d where d.deptype = 'e'
    ),
    schemas as (
      select n.tableoid, n.oid
      from pg_catalog.pg_namespace as n
      where n.nspname <> 'information_schema' and not ${inArchiveSql('n.nspname')}
        and not pg_catalog.starts_with(n.nspname::text, 'pg_') and ${belongsToNone('n.tableoid', 'n.oid')}
    ),
    names as (
      select c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname) as name,
        case c.relkind when 'r' then 'table' when 'p' then 'table' when 'v' then 'view'
          when 'm' then 'materialized view' when 'S' then 'sequence' when 'f' then 'foreign table'
          when 'c' then 'composite type' else 'index' end as kind
      from pg_catalog.pg_class as c
      join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    ),
    relations as (
      select c.tableoid, c.oid, c.relkind, n.kind, n.name
      from pg_catalog.pg_class as c
      join names as n on n.oid = c.oid
      left join pg_catalog.pg_index as i on i.indexrelid = c.oid
      left join pg_catalog.pg_class as t on t.oid = i.indrelid
      where c.relnamespace in (select s.oid from schemas as s)
        and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f', 'i', 'I', 'c') and c.relpersistence <> 't'
        and ${belongsToNone('c.tableoid', 'coalesce(t.oid, c.oid)')}
        and ${belongsToNone(`'pg_catalog.pg_type'::pg_catalog.regclass`, 'c.reltype')}
        -- pg_dump does not dump invalid indexes either
        and (i.indexrelid is null or i.indisready and (i.indisvalid or t.relkind = 'p'))
    ),
    types as (
      select t.tableoid, t.oid
      from pg_catalog.pg_type as t
      where t.typnamespace in (select s.oid from schemas as s)
        and (t.typrelid = 0 or t.typrelid in (select r.oid from relations as r))
        -- not multirange and array types, which are created with another type and may have a generated name
        and t.typtype <> 'm' and not exists (select from pg_catalog.pg_type as e where e.typarray = t.oid)
        and ${belongsToNone('t.tableoid', 't.oid')}
    ),
    objects (classid, objid) as (${objects.join('\nunion all\n')})`;
}

function belongsToNone(classid: string, objid: string): string {
  return /* sql */ `not exists (
    select from extensions as e where e.classid = ${classid} and e.objid = ${objid})`;
}

/** Describes a catalog whose rows add facts to a relation. */
function ofRelation(column: string, leftOut: readonly string[], more: Partial<Rows> = {}): Rows {
  return {
    join: `join relations as r on r.oid = t.${column}`,
    where: 'true',
    identity: relation,
    leftOut: [column, ...leftOut],
    ...more,
  };
}

const relation = `r.kind || ' ' || r.name`;
const columnOf = (name: string) => `r.kind || ' column ' || r.name || '.' || pg_catalog.quote_ident(${name})`;

/** Describes a catalog whose rows are objects or add facts to one. */
function ofObject(catalog: string, column = 'oid'): Rows {
  return {
    where: /* sql */ `t.${column} in (
      select o.objid from objects as o where o.classid = 'pg_catalog.${catalog}'::pg_catalog.regclass)`,
    identity: identitySql(`'pg_catalog.${catalog}'::pg_catalog.regclass`, `t.${column}`, '0'),
  };
}

/** Describes a catalog whose rows refer to objects of any catalog. */
const notes: Rows = {
  join: /* sql */ `
    join objects as o on o.classid = t.classoid and o.objid = t.objoid
    left join pg_catalog.pg_type as y on y.tableoid = t.classoid and y.oid = t.objoid and y.typrelid <> 0
    left join relations as r on r.oid = coalesce(y.typrelid, t.objoid) and (y.oid is not null or t.classoid = r.tableoid)
    left join pg_catalog.pg_attribute as a on a.attrelid = r.oid and a.attnum = t.objsubid and a.attnum > 0`,
  where: 'true',
  identity: /* sql */ `
    case when a.attnum is not null then ${columnOf('a.attname')} when r.oid is not null then ${relation}
      else ${identitySql('t.classoid', 't.objoid', 't.objsubid')} end`,
};

/** The catalog rows that are the facts of a database. */
export const databaseRows: Readonly<Record<string, Rows>> = {
  ...Object.fromEntries(Object.keys(byThemselves).map((catalog) => [catalog, ofObject(catalog)])),
  pg_aggregate: ofObject('pg_proc', 'aggfnoid'),
  pg_amop: ofObject('pg_opfamily', 'amopfamily'),
  pg_amproc: ofObject('pg_opfamily', 'amprocfamily'),
  pg_ts_config_map: ofObject('pg_ts_config', 'mapcfg'),
  pg_class: ofRelation('oid', ['relname', 'relnamespace', 'reltype'], {
    // pg_dump writes the options of views in a different order.
    values: {
      reloptions: /* sql */ `(
        select pg_catalog.array_agg(o.option order by o.option)
        from pg_catalog.unnest(${withoutInternalOptions('t.reloptions')}) as o (option))`,
    },
  }),
  // The declared number of array dimensions has no effect, and pg_dump does not preserve it.
  pg_attribute: ofRelation('attrelid', ['attname', 'attndims'], {
    // The columns of sequences are always the same. Columns of indexes are facts only with options or a statistics
    // target.
    where: /* sql */ `t.attnum > 0 and not t.attisdropped and r.relkind <> 'S'
      and (r.relkind not in ('i', 'I') or ${withoutInternalOptions('t.attoptions')} is not null or coalesce(t.attstattarget, -1) <> -1)`,
    identity: `case when r.relkind in ('i', 'I') then ${relation} else ${columnOf('t.attname')} end`,
  }),
  pg_attrdef: ofRelation('adrelid', ['adnum'], {
    join: /* sql */ `
      join relations as r on r.oid = t.adrelid
      join pg_catalog.pg_attribute as a on a.attrelid = t.adrelid and a.attnum = t.adnum`,
    identity: columnOf('a.attname'),
  }),
  pg_constraint: ofRelation('conrelid', ['conname'], {
    join: 'left join relations as r on r.oid = t.conrelid left join types as y on y.oid = t.contypid',
    where: 'r.oid is not null or y.oid is not null',
    identity: /* sql */ `
      case when r.oid is not null then 'table constraint ' || pg_catalog.quote_ident(t.conname) || ' on ' || r.name
        else ${identitySql('t.tableoid', 't.oid', '0')} end`,
  }),
  pg_index: ofRelation('indexrelid', []),
  pg_inherits: ofRelation('inhrelid', []),
  pg_sequence: ofRelation('seqrelid', []),
  pg_partitioned_table: ofRelation('partrelid', []),
  pg_foreign_table: ofRelation('ftrelid', []),
  // The query of a view is a fact of the view.
  pg_rewrite: ofRelation('ev_class', ['rulename'], {
    identity: `case when t.rulename = '_RETURN' then ${relation} else 'rule ' || pg_catalog.quote_ident(t.rulename) || ' on ' || r.name end`,
  }),
  // The triggers of a foreign key are facts of the key, and only if their state is not the default.
  pg_trigger: ofRelation('tgrelid', ['tgname', 'tgconstraint'], {
    join: /* sql */ `
      join relations as r on r.oid = t.tgrelid
      left join pg_catalog.pg_constraint as k on k.oid = t.tgconstraint and t.tgisinternal
      left join names as n on n.oid = k.conrelid`,
    identity: /* sql */ `
      case when k.oid is not null then 'table constraint ' || pg_catalog.quote_ident(k.conname) || ' on ' || n.name
        else 'trigger ' || pg_catalog.quote_ident(t.tgname) || ' on ' || r.name end`,
    where: `not t.tgisinternal or t.tgenabled <> 'O'`,
  }),
  pg_policy: ofRelation('polrelid', ['polname'], {
    identity: `'policy ' || pg_catalog.quote_ident(t.polname) || ' on ' || r.name`,
    // pg_dump restores roles in the order of their OIDs, which differ on another server.
    values: {
      polroles: /* sql */ `(
        select pg_catalog.array_agg(coalesce(a.rolname, '') order by a.rolname)
        from pg_catalog.unnest(t.polroles) as p (oid) left join pg_catalog.pg_roles as a on a.oid = p.oid)`,
    },
  }),
  pg_statistic_ext: ofObject('pg_statistic_ext'),
  pg_publication_rel: ofObject('pg_publication_rel'),
  pg_type: {
    join: 'join types as y on y.oid = t.oid left join relations as r on r.oid = t.typrelid',
    // The row type of a table follows from the table, except for its privileges.
    where: `r.oid is null or r.relkind = 'c' or t.typacl is not null`,
    identity: `case when r.oid is not null then ${relation} else ${identitySql('t.tableoid', 't.oid', '0')} end`,
    leftOut: ['typname', 'typnamespace', 'typarray', 'typrelid'],
  },
  pg_enum: ofObject('pg_type', 'enumtypid'),
  pg_range: ofObject('pg_type', 'rngtypid'),
  // The comment on a schema is not a fact of the schema, because migrations set it.
  pg_description: {
    ...notes,
    identity: /* sql */ `
      case when t.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass then 'comment on ' else '' end || ${notes.identity}`,
  },
  pg_seclabel: notes,
  // The column that owns a sequence, and the extension with which an object is dropped.
  pg_depend: {
    join: /* sql */ `
      join objects as o on o.classid = t.classid and o.objid = t.objid
      left join relations as r on r.tableoid = t.classid and r.oid = t.objid and r.relkind = 'S'`,
    where: `t.deptype = 'x' or t.deptype in ('a', 'i') and t.refobjsubid > 0 and r.oid is not null`,
    identity: `case when r.oid is not null then ${relation} else ${identitySql('t.classid', 't.objid', '0')} end`,
  },
};

/** Names referenced objects by joins: relations by their precomputed names, other objects once for each value. */
export const joined: Notation = {
  name: (address) => identitySql(...address),
  pointer: (column) => {
    const { catalog, target, isArray } = column;
    const alias = `n_${column.column}`;
    const names = /* sql */ `
      select d.oid, ${pointerSql(column, 'd.oid')} as name
      from (select distinct u.${column.column} as oid from pg_catalog.${catalog} as u) as d`;
    const all = target === 'pg_class' && !isArray ? 'names' : `(${names})`;
    return {
      sql: `${alias}.name`,
      join: `left join ${all} as ${alias} on ${alias}.oid = t.${column.column}`,
    };
  },
  expression: ({ column }, sql) => `case when t.${column} is not null then ${sql} end`,
  resolved: (tree, catalog) =>
    resolvedSql(
      tree,
      (classid, objid) => /* sql */ `
        case when ${objid} < ${firstGenerated} then pg_catalog.concat(${classid}, '/', ${objid})
          else ${identitySql(classid, objid, '0')} end`,
      `E'\\n'`,
      // As in copied-facts.ts.
      catalog === 'pg_attrdef' ? 'pg_collation' : undefined,
    ),
};
