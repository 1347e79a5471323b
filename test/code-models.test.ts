import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { searchCode } from '../src/audit/code/search.ts';

/** A file, and the tables that it implies with their lines. */
interface Example {
  readonly file: string;
  readonly text: string;
  readonly tables: Readonly<Record<string, number>>;
}

const examples: Record<string, Example[]> = {
  Rails: [
    { file: 'a.rb', text: 'class OrderItem < ApplicationRecord\nend', tables: { order_items: 1 } },
    { file: 'a.rb', text: 'class Person < ActiveRecord::Base\nend', tables: { people: 1 } },
    { file: 'a.rb', text: '\nclass Spree::Address < Spree::Base\nend', tables: { spree_addresses: 2 } },
    {
      file: 'a.rb',
      text: 'module Spree\n  class TaxCategory < Base\n  end\nend',
      tables: { spree_tax_categories: 2 },
    },
    { file: 'models/admin/report.rb', text: 'class Admin::Report < Base; end', tables: { admin_reports: 1 } },
    { file: 'a.rb', text: 'class X < Y\n  self.table_name = "order_items"', tables: { order_items: 2 } },
    {
      file: 'a.rb',
      text: 'class Song < Base\n  has_and_belongs_to_many :artists\nend',
      tables: { artists_songs: 2 },
    },
  ],
  Django: [
    { file: 'shop/models.py', text: 'class OrderItem(models.Model):\n', tables: { shop_orderitem: 1 } },
    {
      file: 'shop/models.py',
      text: 'class Order(TimeStamped):\n    x = 1\n    tags = models.ManyToManyField(Tag)\n',
      tables: { shop_order_tags: 3 },
    },
    {
      file: 'a.py',
      text: "class X(models.Model):\n  class Meta:\n    db_table = 'order_items'\n",
      tables: { order_items: 3 },
    },
  ],
  SQLAlchemy: [
    { file: 'a.py', text: "class X(Base):\n    __tablename__ = 'order_items'\n", tables: { order_items: 2 } },
    { file: 'a.py', text: 'class OrderItem(db.Model):\n', tables: { order_item: 1 } },
    { file: 'a.py', text: 'class HeroTeam(SQLModel, table=True):\n', tables: { heroteam: 1 } },
    { file: 'a.py', text: 't = Table("order_items", metadata)\n', tables: { order_items: 1 } },
  ],
  Prisma: [
    { file: 'schema.prisma', text: 'model OrderItem {\n}', tables: { OrderItem: 1 } },
    { file: 'schema.prisma', text: 'model X {\n  @@map("order_items")\n}', tables: { order_items: 2 } },
    {
      file: 'schema.prisma',
      text: 'model Post {\n  id Int @id\n  categories Category[]\n}\n',
      tables: { _CategoryToPost: 3 },
    },
    {
      file: 'schema.prisma',
      text: 'model Post {\n  liked User[] @relation("Likes")\n}\n',
      tables: { _Likes: 2 },
    },
  ],
  TypeORM: [
    { file: 'a.ts', text: '@Entity()\nexport class OrderItem {\n}', tables: { order_item: 2 } },
    {
      file: 'a.ts',
      text: '@Entity()\n@Index(["a"], { unique: true })\nexport class OrderItem extends Base {\n}',
      tables: { order_item: 3 },
    },
    { file: 'a.ts', text: "@Entity({ name: 'order_items' })\nclass X {}", tables: { order_items: 1 } },
    {
      file: 'a.ts',
      text: '@Entity()\nclass Post {\n  @ManyToMany(() => Category)\n  @JoinTable()\n  categories: Category[];\n}',
      tables: { post_categories_category: 5 },
    },
  ],
  Sequelize: [
    { file: 'a.js', text: "sequelize.define('OrderItem', {});", tables: { OrderItems: 1 } },
    { file: 'a.ts', text: 'class Invoice extends Model {}\n', tables: { Invoices: 1 } },
    { file: 'a.js', text: "X.init({}, { sequelize, modelName: 'Invoice' });", tables: { Invoices: 1 } },
    { file: 'a.js', text: "A.belongsToMany(B, { through: 'order_items' });", tables: { order_items: 1 } },
  ],
  Objection: [
    {
      file: 'a.js',
      text: "class X extends Model {\n static get tableName() { return 'order_items'; }",
      tables: { order_items: 2 },
    },
    { file: 'a.ts', text: "static tableName = 'order_items';", tables: { order_items: 1 } },
  ],
  Ecto: [{ file: 'a.ex', text: 'defmodule X do\n  schema "order_items" do\n', tables: { order_items: 2 } }],
  JPA: [
    { file: 'A.java', text: '@Table(name = "ORDER_ITEMS")\n@Entity\nclass X {}', tables: { order_items: 1 } },
    {
      file: 'A.java',
      text: '@Entity\n@Table(schema = "x")\npublic class OrderItem {\n}',
      tables: { order_item: 3 },
    },
    { file: 'A.kt', text: '@Entity\ndata class HeroTeam(val id: Long)', tables: { heroteam: 2 } },
    {
      file: 'A.java',
      text: '@Entity\npublic class Order {\n  @ManyToMany\n  private Set<Label> labels;\n}',
      tables: { order_label: 4 },
    },
    {
      file: 'A.java',
      text: '@Entity\npublic class Order {\n  @ElementCollection(fetch = FetchType.EAGER)\n  private Map<String, String> notes;\n}',
      tables: { order_notes: 4 },
    },
  ],
  Eloquent: [
    { file: 'A.php', text: '<?php\nclass OrderItem extends Model {}', tables: { order_items: 2 } },
    {
      file: 'A.php',
      text: 'class Post extends Model {\n  function f() { return $this->belongsToMany(Category::class); }',
      tables: { category_post: 2 },
    },
  ],
  GORM: [{ file: 'a.go', text: 'type OrderItem struct {\n}', tables: { order_items: 1 } }],
  'Entity Framework': [
    { file: 'A.cs', text: 'DbSet<OrderItem> All { get; set; }', tables: { order_items: 1 } },
  ],
};

const names = [
  ...new Set(Object.values(examples).flatMap((of) => of.flatMap(({ tables }) => Object.keys(tables)))),
];
const tables = names.map((name, oid) => ({ oid, schema: 'public', name }));

describe('models', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-models-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  async function search(file: string, text: string): Promise<Record<string, number>> {
    const root = mkdtempSync(join(folder, 'code-'));
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), text);
    const { references } = await searchCode([root], tables, names);
    return Object.fromEntries([...references].map(([oid, [place]]) => [names[oid] ?? '', place?.line ?? 0]));
  }

  for (const [framework, of] of Object.entries(examples))
    for (const { file, text, tables: wanted } of of)
      it(`${framework}: finds ${Object.keys(wanted)} in ${JSON.stringify(text)}`, async () => {
        expect(await search(file, text)).to.include(wanted);
      });

  it('are marked as such', async () => {
    const root = mkdtempSync(join(folder, 'code-'));
    writeFileSync(join(root, 'a.rb'), '\nclass Person < ApplicationRecord\nend\n');
    const { references } = await searchCode([root], tables, names);
    expect(references.get(names.indexOf('people'))).to.deep.equal([
      { file: join(root, 'a.rb'), line: 2, how: 'model' },
    ]);
  });

  it('are not found in other languages, or with the prefix of another module', async () => {
    expect(await search('a.txt', 'class Person < ApplicationRecord\n')).to.deep.equal({});
    expect(await search('a.rb', 'class Address < Base\n')).to.deep.equal({});
    expect(await search('a.ts', 'class Person {}\n')).to.deep.equal({});
  });
});
