interface Row {
  readonly catalog: string;
  readonly identity: string;
  readonly columns: Readonly<Record<string, string | null>>;
}

/**
 * Returns a fact without what the server has copied into it when it created the object, and does not update later. DDL can
 * neither set nor read these copies, and nothing depends on them. Other facts are returned unchanged.
 */
export function withoutCopies<Fact extends Row>(fact: Fact): Fact {
  switch (fact.catalog) {
    case 'pg_attribute':
      return ofIndexColumn(fact);
    case 'pg_constraint':
      return ofClone(fact);
    case 'pg_attrdef':
      return ofDefault(fact);
    default:
      return fact;
  }
}

const kind = 'index column ';
const ofTableColumn = { attname: null, attcompression: null, attstorage: null, attndims: null };

/**
 * An index column has the name, compression, storage and dimensions that the table column had. DDL addresses it by number,
 * so the fact becomes one of the index. https://www.postgresql.org/docs/current/sql-alterindex.html
 */
function ofIndexColumn<Fact extends Row>(fact: Fact): Fact {
  const { identity, columns } = fact;
  const name = columns.attname;
  if (name == null || !identity.startsWith(kind)) return fact;
  const quoted = `"${name.replaceAll('"', '""')}"`;
  const suffix = identity.endsWith(`.${quoted}`) ? `.${quoted}` : `.${name}`;
  const index = identity.slice(kind.length, -suffix.length);
  return { ...fact, identity: `index ${index}`, columns: { ...columns, ...ofTableColumn } };
}

/**
 * A foreign key that references a partitioned table has a clone on the same table for each partition. Whether a clone is
 * valid depends on when its partition was attached; only the state of the foreign key itself matters.
 * https://www.postgresql.org/docs/current/catalog-pg-constraint.html
 */
function ofClone<Fact extends Row>(fact: Fact): Fact {
  const { contype, conparentid, conrelid } = fact.columns;
  const table = / (.*)$/s.exec(conrelid ?? '')?.[1];
  if (contype !== 'f' || table === undefined || !conparentid?.endsWith(` on ${table}`)) return fact;
  return { ...fact, columns: { ...fact.columns, convalidated: null } };
}

/**
 * The collations in the tree of a default follow from its text and from the columns. ALTER COLUMN … TYPE casts the default to
 * the new type without any. https://www.postgresql.org/docs/current/collation.html
 */
function ofDefault<Fact extends Row>(fact: Fact): Fact {
  const resolved = fact.columns['adbin.resolved'];
  if (resolved == null) return fact;
  const names: (string | null)[] = JSON.parse(resolved);
  const others = names.filter((name) => name?.startsWith('collation ') !== true);
  const list = others.length === 0 ? null : `[${others.map((name) => JSON.stringify(name)).join(', ')}]`;
  return { ...fact, columns: { ...fact.columns, 'adbin.resolved': list } };
}
