/** The objects in a schema so far, for the generators of statements. Names are qualified and quoted. */
export interface State {
  schemas: string[];
  tables: Table[];
  views: Relation[];
  materialized: Relation[];
  sequences: string[];
  types: Type[];
  triggerFunctions: string[];
  /** The objects for `comment on …`. */
  commentable: string[];
  /** The objects for `grant … on …`, with their privileges. */
  grantable: { target: string; privileges: string[] }[];
  count: number;
}

export interface Type {
  sql: string;
  /** A constant expression of the type. */
  value: string;
}

export interface Column extends Type {
  name: string;
  generated: boolean;
}

export interface Relation {
  sql: string;
  columns: Column[];
}

export interface Table extends Relation {
  kind: 'plain' | 'partitioned' | 'foreign';
  /** The names of unique keys, and their columns. */
  keys: { name: string; columns: Column[] }[];
}

export function emptyState(): State {
  return {
    schemas: ['public'],
    tables: [],
    views: [],
    materialized: [],
    sequences: [],
    types: [
      { sql: 'int', value: '7' },
      { sql: 'int', value: '-1' },
      { sql: 'bigint', value: '8' },
      { sql: 'text', value: `'it''s'` },
      { sql: 'text', value: `upper('x;y')` },
      { sql: 'varchar(20)', value: `'v'` },
      { sql: 'char(3)', value: `'abc'` },
      { sql: 'numeric(10,2)', value: '1.5' },
      { sql: 'float8', value: `'-0.1'::float8` },
      { sql: 'bool', value: 'true' },
      { sql: 'date', value: `date '2024-02-29'` },
      { sql: 'timestamptz', value: `timestamptz '2024-03-01 00:00+02'` },
      { sql: 'timestamp(3)', value: `timestamp '2024-01-01 12:00'` },
      { sql: 'interval day to second(3)', value: `interval '1 day 2 s'` },
      { sql: 'jsonb', value: `'{"a": [1]}'::jsonb` },
      { sql: 'json', value: `'{}'::json` },
      { sql: 'uuid', value: `'c0be6048-36af-473c-a8d3-0f2cd8ad6b39'::uuid` },
      { sql: 'bytea', value: `'\\x00ff'::bytea` },
      { sql: 'int[]', value: 'array[1,2]' },
      { sql: 'text[]', value: `array['a', null]` },
      { sql: 'int4range', value: `int4range(1, 5)` },
      { sql: 'tstzrange', value: `tstzrange(null, null)` },
      { sql: 'int4multirange', value: `'{[1,3)}'::int4multirange` },
      { sql: 'inet', value: `inet '10.0.0.1/8'` },
      { sql: 'point', value: `point '(1,2)'` },
      { sql: 'tsvector', value: `to_tsvector('simple', 'a b')` },
      { sql: 'bit varying(7)', value: `B'101'` },
      { sql: 'xml', value: `'<a/>'::xml` },
      { sql: 'oid', value: '1' },
      { sql: 'regclass', value: `'pg_class'::regclass` },
      { sql: '"char"', value: `'c'` },
    ],
    triggerFunctions: [],
    commentable: [],
    grantable: [],
    count: 0,
  };
}
