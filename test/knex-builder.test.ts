import { expect } from 'chai';
import type { Knex } from 'knex';
import { reversibleDrop } from '../src/index.ts';
import { quietly } from '../src/text/log.ts';
import { inCase } from './support/case-folders.ts';
import { expectSame, look } from './support/judges.ts';
import { useServer } from './support/use-database.ts';

type Table = Knex.CreateTableBuilder;
type Build = (table: Table) => unknown;

// Column types and methods that Knex has for other databases only, or that need an extension.
const unsupported = [
  ...[
    'engine',
    'charset',
    'geometry',
    'geography',
    'set',
    'year',
    'int',
    'serial',
    'real',
    'char',
    'bit',
    'varbinary',
    'blob',
  ],
  ...['tinytext', 'tinyText', 'mediumtext', 'mediumText', 'longtext', 'longText', 'first', 'after'],
  ...['tinyblob', 'tinyBlob', 'mediumblob', 'mediumBlob', 'longblob', 'longBlob'],
];
// Methods that create nothing.
const others = [
  ...['setSchema', 'toSQL', 'queryContext', '_fn', 'dropPrimary', 'dropPrimaryIfExists', 'dropUnique'],
  ...['dropUniqueIfExists', 'dropIndex', 'dropForeign', 'dropForeignIfExists'],
];
// Methods of columns that are called below, under the name of another method.
const used = ['references', 'default', 'defaultsTo', 'checkPositive', 'notNull', 'notNullable'];

/** Column types whose only argument is a name. */
const plainTypes = [
  ...[
    'tinyint',
    'smallint',
    'mediumint',
    'integer',
    'bigint',
    'biginteger',
    'bigInteger',
    'float',
    'double',
    'bool',
  ],
  ...['date', 'dateTime', 'point', 'varchar', 'binary', 'bigincrements'],
];

/** Column types with further arguments. */
const types: Readonly<Record<string, Build>> = {
  boolean: (t) => t.boolean('c').defaultTo(false),
  char: (t) => t.specificType('c', 'char(3)'),
  datetime: (t) => [t.datetime('c'), t.datetime('d', { useTz: false, precision: 3 })],
  decimal: (t) => [t.decimal('c', 10, 3), t.decimal('d', null)],
  enu: (t) => [
    t.enu('c', ['a', 'b', 'c d']),
    t.enu('d', ['x', 'y'], { useNative: true, enumName: 'knex_native' }).defaultTo('x'),
    t.enu('e', null, { useNative: true, existingType: true, enumName: 'knex_existing' }),
  ],
  enum: (t) => t.enum('c', ['one']),
  increments: (t) => t.increments('c', { primaryKey: false }),
  bigIncrements: (t) => t.bigIncrements(),
  specificType: (t) => [t.specificType('c', 'text[]'), t.specificType('d', 'int4range')],
  string: (t) => [t.string('c'), t.string('d', 3).defaultTo("it's")],
  text: (t) => t.text('c', 'longtext'),
  time: (t) => [t.time('c'), t.specificType('d', 'time(2)')],
  timestamp: (t) => [t.timestamp('c').defaultTo('now()'), t.timestamp('d', { useTz: false })],
  uuid: (t) => t.uuid('c'),
  json: (t) => t.json('c').defaultTo('{}'),
  jsonb: (t) => t.jsonb('c').defaultTo('[1]'),
};

/** The other methods of tables and columns. */
const methods: Readonly<Record<string, Build>> = {
  timestamps: (t) => t.timestamps(true, true),
  comment: (t) => [t.comment('table comment'), t.integer('c').comment('column')],
  check: (t) => [t.integer('c').checkPositive(), t.check('?? > 1', ['c'], 'knex_named_check')],
  foreign: (t) => [
    t.integer('c'),
    t
      .foreign('c', 'knex_fk')
      .references('id')
      .inTable('knex_parent')
      .onDelete('CASCADE')
      .onUpdate('SET NULL'),
    t.integer('d').references('knex_parent.id').deferrable('deferred').withKeyName('knex_fk_2'),
    t.integer('e').references('id').inTable('knex_parent').deferrable('immediate'),
  ],
  index: (t) => [
    t.integer('c').index(),
    t.text('d'),
    t.index(['c', 'd'], 'knex_index', { indexType: 'btree', predicate: predicate('c') }),
    t.index('d', 'knex_hash', 'hash'),
    t.index('c', 'knex_hash_2', { storageEngineIndexType: 'hash' }),
  ],
  primary: (t) => [
    t.integer('c'),
    t.integer('d'),
    t.primary(['c', 'd'], { constraintName: 'knex_pk', deferrable: 'deferred' }),
  ],
  unique: (t) => [
    t.integer('c').unique(),
    t.integer('d'),
    t.unique(['c', 'd'], { indexName: 'knex_unique', deferrable: 'immediate' }),
    t.unique(['d'], { indexName: 'knex_unique_index', useConstraint: false }),
    t.unique(['d', 'c'], { indexName: 'knex_unique_part', useConstraint: false, predicate: predicate('d') }),
  ],
  inherits: (t) => [t.integer('c'), t.inherits('knex_parent')],
  defaultTo: (t) => [t.integer('c').defaultTo(3), t.string('d').defaultTo(null), t.float('e').defaultTo(1.5)],
  nullable: (t) => [t.integer('c').notNullable(), t.integer('d').nullable(), t.integer('e').notNullable()],
  unsigned: (t) => t.integer('c').unsigned(),
  collate: (t) => t.string('c').collate('C'),
  checkNegative: (t) => t.integer('c').checkNegative('knex_negative'),
  checkIn: (t) => [
    t.string('c').checkIn(['a', `it's`]),
    t.text('d').checkIn(['x']),
    t.integer('e').checkIn(['1', '2']),
  ],
  checkNotIn: (t) => [t.string('c', 10).checkNotIn(['a', 'b']), t.decimal('d').checkNotIn(['1', '2.5'])],
  checkBetween: (t) => [
    t.integer('c').checkBetween([1, 5]),
    t.integer('d').checkBetween([
      [1, 5],
      [10, 15],
    ]),
  ],
  checkLength: (t) => [t.string('c').checkLength('<=', 8), t.text('d').checkLength('!=', 3, 'knex_length')],
  checkRegex: (t) => t.string('c').checkRegex('^[a-z]+$'),
};

let predicate: (column: string) => Knex.QueryBuilder;

/** Changes of one table, in this order, so that its columns have other names and numbers than those of a new table. */
const alterations: readonly ((table: Knex.AlterTableBuilder) => unknown)[] = [
  (t) => [t.increments('id'), t.string('a').unique(), t.string('b', 10).checkIn(['x', 'y'])],
  (t) => [t.renameColumn('id', 'key'), t.renameColumn('a', 'A b'), t.renameColumn('b', 'c')],
  (t) => [t.integer('id').unique(), t.text('c').notNullable().defaultTo('x').alter()],
  (t) => t.index(['key', 'c']),
  (t) => [t.dropColumn('id'), t.renameColumn('c', 'id')],
];

/** Returns the names of the methods of a builder, including those of its prototypes. */
function namesOf(builder: object): string[] {
  const names: string[] = [];
  for (let one = builder; one !== Object.prototype; one = Object.getPrototypeOf(one))
    names.push(
      ...Object.getOwnPropertyNames(one).filter(
        (name) => name !== 'constructor' && typeof Reflect.get(one, name) === 'function',
      ),
    );
  return names;
}

describe('the schema builder of Knex', () => {
  const server = useServer();
  it('has only methods that are listed here', async () => {
    await inCase(server, '', async ({ knex }) => {
      const found = new Set<string>();
      await knex.schema.createTable('found', (table) => {
        const column = table.integer('c');
        for (const builder of [table, column]) for (const name of namesOf(builder)) found.add(name);
      });
      const known = new Set([
        ...plainTypes,
        ...Object.keys(types),
        ...Object.keys(methods),
        ...unsupported,
        ...others,
        ...used,
      ]);
      const left = [...found].filter((name) => !known.has(name));
      expect(left).to.deep.equal([]);
      expect(found.size).to.be.greaterThan(80);
    });
  });

  it('creates only tables that are restored exactly', async () => {
    await inCase(server, `create type knex_existing as enum ('p')`, async (run, database) => {
      const { knex } = run;
      predicate = (column) => knex.whereNotNull(column) as Knex.QueryBuilder;
      await knex.schema.createTable('knex_parent', (t) => t.integer('id').primary());
      const tables: string[] = [];
      const make = async (name: string, build: Build) => {
        tables.push(`knex_${name.toLowerCase()}_${tables.length}`);
        await knex.schema.createTable(tables.at(-1) as string, (t) => void build(t));
      };
      for (const name of plainTypes)
        await make(name, (t) => (t as unknown as Record<string, (c: string) => unknown>)[name]?.('c'));
      for (const [name, build] of Object.entries({ ...types, ...methods })) await make(name, build);
      await knex.schema.createTable('knex_altered', () => undefined);
      for (const alter of alterations) await knex.schema.alterTable('knex_altered', (t) => void alter(t));
      await knex.schema.createTableLike('knex_like', 'knex_altered', (t) => void t.integer('more'));
      for (const table of tables)
        await run.rows(`insert into ${table} default values`).catch(() => undefined);
      const drop = reversibleDrop({
        name: 'all',
        tables: [...tables, 'knex_altered', 'knex_like'],
        rows: 'copy',
      });
      const before = await look(database);
      await quietly(() => run.up(drop));
      const left = await run.rows(
        `select from pg_class where relkind = 'r' and relname like 'knex_%' and relname <> 'knex_parent'`,
      );
      expect(left).to.have.length(0);
      await quietly(() => run.down(drop));
      expectSame(before, await look(database));
    });
  });
});
