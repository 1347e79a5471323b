/** A type with its own operators, or with operators that precede the built-in ones in the search path. */
export interface Family {
  readonly name: string;
  /** An extension that the type requires. */
  readonly extension?: string;
  readonly schema: string;
  /** The search path with which the objects are created. */
  readonly path: string;
  readonly type: string;
  /** Two literals that are equal by its operators, and a third, greater one. */
  readonly equal: readonly [string, string];
  readonly other: string;
  /** Whether objects that use the operators are refused, because no search path of a restore finds them. */
  readonly refuses?: boolean;
  /** Whether the type has an operator class for B-trees, which row comparisons and partitioning require. */
  readonly ordered: boolean;
}

function extension(name: string, own: Omit<Family, 'name' | 'schema' | 'path' | 'type'>): Family {
  const schema = `create extension ${name}`;
  return { name, extension: name, schema, path: 'public', type: `public.${name}`, ...own };
}

/** Returns SQL that creates `=` and `<>` of a type in a schema, from an SQL expression over two values `a` and `b`. */
function equality(schema: string, type: string, sql: string): string {
  return /* sql */ `
    create function ${schema}.same(a ${type}, b ${type}) returns boolean language sql immutable strict as $$
      select ${sql} $$;
    create function ${schema}.other(a ${type}, b ${type}) returns boolean language sql immutable strict as $$
      select not ${schema}.same(a, b) $$;
    create operator ${schema}.= (function = ${schema}.same, leftarg = ${type}, rightarg = ${type},
      commutator = operator(${schema}.=), negator = operator(${schema}.<>));
    create operator ${schema}.<> (function = ${schema}.other, leftarg = ${type}, rightarg = ${type},
      commutator = operator(${schema}.<>), negator = operator(${schema}.=));`;
}

// Like citext: if the operators, which are all in another schema, are not found, those of text are used.
const label = /* sql */ `
  create schema kinds;
  create schema ops;
  create type kinds.label;
  create function kinds.label_in(cstring) returns kinds.label language internal immutable strict as 'textin';
  create function kinds.label_out(kinds.label) returns cstring language internal immutable strict as 'textout';
  create type kinds.label (input = kinds.label_in, output = kinds.label_out, like = text, category = 'S');
  create cast (kinds.label as text) without function as implicit;
  ${equality('ops', 'kinds.label', 'pg_catalog.lower(a::text) = pg_catalog.lower(b::text)')}
  create function ops.label_cmp(a kinds.label, b kinds.label) returns int language sql immutable strict as $$
    select pg_catalog.bttextcmp(pg_catalog.lower(a::text), pg_catalog.lower(b::text)) $$;
  ${['<', '<=', '>', '>=']
    .map((name, index) => {
      const word = ['less', 'less_equal', 'greater', 'greater_equal'][index];
      return /* sql */ `
        create function ops.label_${word}(a kinds.label, b kinds.label) returns boolean language sql immutable strict
          as $$ select ops.label_cmp(a, b) ${name} 0 $$;
        create operator ops.${name} (function = ops.label_${word}, leftarg = kinds.label, rightarg = kinds.label);`;
    })
    .join('\n')}
  create operator class ops.label_ops default for type kinds.label using btree as
    operator 1 ops.<, operator 2 ops.<=, operator 3 ops.=, operator 4 ops.>=, operator 5 ops.>,
    function 1 ops.label_cmp(kinds.label, kinds.label);
  -- What is built-in fits worse, and is meant all the same.
  create function ops.array_append(a int[], b int) returns int[] language sql immutable as 'select null::int[]';
  create function ops.never(a int[], b int[]) returns boolean language sql immutable as 'select false';
  create operator ops.@> (function = ops.never, leftarg = int[], rightarg = int[]);`;

const texts = { equal: ["'Abc'", "'aBC'"], other: "'zzz'" } as const;

export const families: readonly Family[] = [
  extension('citext', { ...texts, ordered: true }),
  extension('ltree', { equal: ["'a.b'", "'a.b'"], other: "'z.z'", ordered: true }),
  extension('hstore', { equal: ["'a=>1, b=>2'", "'b=>2, a=>1'"], other: "'z=>1'", ordered: false }),
  {
    ...{ name: 'own type', schema: label, path: 'ops', type: 'kinds.label', ...texts },
    ordered: true,
  },
  {
    ...{ name: 'enum', path: 'ops', type: 'kinds.mood', ...texts, ordered: false },
    schema: /* sql */ `
      create schema kinds;
      create schema ops;
      create type kinds.mood as enum ('Abc', 'aBC', 'zzz');
      ${equality('ops', 'kinds.mood', 'pg_catalog.lower(a::text) = pg_catalog.lower(b::text)')}`,
  },
  {
    ...{ name: 'arrays, shadowed', path: 'public', type: 'int[]', ordered: false },
    ...{ equal: ["'{1,2}'", "'{2,1}'"], other: "'{9}'" },
    schema: equality('public', 'int[]', 'a <@ b and b <@ a'),
  },
  {
    ...{ name: 'text, shadowed', path: 'public, pg_catalog', type: 'text', ...texts, ordered: false },
    // Created with a search path in which pg_catalog is not the first schema.
    refuses: true,
    schema: equality('public', 'text', 'pg_catalog.lower(a) operator(pg_catalog.=) pg_catalog.lower(b)'),
  },
];
