import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import createKnex, { type Knex } from 'knex';
import { findPgDump } from '../src/backup/programs/find-pg-dump.ts';
import { reversibleDrop } from '../src/index.ts';
import { libpqVariables, readSettings } from '../src/knex/settings.ts';
import { startServer } from '../test/support/server.ts';
import { transacting } from './database.ts';

/*
 * One table with the usual objects around it, dropped and brought back in several ways, each in a database of its own.
 * The table shows whether pg_dump prints it afterwards as before.
 */

const pgDelta = '@supabase/pg-delta@1.0.0-alpha.34';

// No invoice refers to a run: a way that restores no rows would fail to add that foreign key.
const schema = /* sql */ `
  create table customers (id int primary key, name text not null);
  insert into customers values (1, 'Ada'), (2, 'Bo');
  create table runs (
    id int generated always as identity primary key,
    customer_id int not null constraint runs_customer references customers on delete cascade,
    state text not null default 'new' check (state in ('new', 'done')),
    at timestamptz not null default now());
  insert into runs (customer_id, state) values (1, 'new'), (2, 'done'), (2, 'new');
  create table invoices (id int primary key, run_id int constraint invoices_run references runs);
  insert into invoices values (1, null);
  create index runs_new on runs (at) where state = 'new';
  create statistics runs_columns on customer_id, state from runs;
  create view open_runs as select id, at from runs where state = 'new';
  create function touch() returns trigger language plpgsql as $$ begin new.at := now(); return new; end $$;
  create trigger touch before update on runs for each row execute function touch();
  alter table runs enable row level security;
  create policy own_runs on runs using (state = 'done');
  grant select on runs, open_runs to reader;
  comment on table runs is 'Runs of recipes';
  create publication news for table runs;`;

/** What pg_dump must print, as a part of its text without line breaks. */
const parts: Readonly<Record<string, string>> = {
  'columns, default': `state text DEFAULT 'new'::text NOT NULL, at timestamp with time zone DEFAULT now() NOT NULL`,
  identity: 'ADD GENERATED ALWAYS AS IDENTITY',
  'primary key': 'ADD CONSTRAINT runs_pkey PRIMARY KEY (id)',
  'check constraint': 'CONSTRAINT runs_state_check CHECK',
  'partial index': `CREATE INDEX runs_new ON public.runs USING btree (at) WHERE (state = 'new'::text)`,
  'its foreign key': 'ADD CONSTRAINT runs_customer FOREIGN KEY (customer_id)',
  'foreign key of another table': 'ADD CONSTRAINT invoices_run FOREIGN KEY (run_id)',
  view: 'CREATE VIEW public.open_runs',
  grants: 'GRANT SELECT ON TABLE public.runs TO reader;',
  trigger: 'CREATE TRIGGER touch BEFORE UPDATE ON public.runs',
  policy: 'CREATE POLICY own_runs ON public.runs',
  comment: `COMMENT ON TABLE public.runs IS 'Runs of recipes'`,
  'statistics object': 'CREATE STATISTICS public.runs_columns',
  'membership in a publication': 'ALTER PUBLICATION news ADD TABLE ONLY public.runs',
  rows: 'INSERT INTO public.runs OVERRIDING SYSTEM VALUE VALUES (3, 2',
  'value of its sequence': `setval('public.runs_id_seq', 3, true)`,
};

interface Place {
  readonly knex: Knex;
  readonly url: string;
  /** The environment of pg_dump and psql. */
  readonly env: NodeJS.ProcessEnv;
}

interface Way {
  readonly name: string;
  drop(place: Place): Promise<unknown>;
  restore(place: Place): Promise<unknown>;
}

const folder = mkdtempSync(join(tmpdir(), 'undrop-alternatives-'));
const server = await startServer();
const programs = dirname((await findPgDump(process.env, server.major)).path);

async function program(file: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const { stdout } = await promisify(execFile)(file, [...args], { cwd: folder, env, maxBuffer: 2 ** 26 });
  return stdout;
}

const psql = (env: NodeJS.ProcessEnv, ...args: string[]) =>
  program(join(programs, 'psql'), ['-X', '-q', '-v', 'ON_ERROR_STOP=1', ...args], env);
const dump = (env: NodeJS.ProcessEnv, ...args: string[]) =>
  program(join(programs, 'pg_dump'), ['--no-password', '--exclude-schema=undrop', ...args], env);

const drop = ({ knex }: Place) => knex.raw('drop table runs cascade');
const migration = reversibleDrop({
  name: 'drop_runs',
  tables: ['runs'],
  dependents: 'cascade',
  rows: 'move',
});
const delta = join(folder, 'node_modules/.bin/pgdelta');

const ways: readonly Way[] = [
  {
    name: 'knex-undrop',
    drop: ({ knex }) => transacting(knex, migration).up(),
    restore: ({ knex }) => transacting(knex, migration).down(),
  },
  {
    name: '`pg_dump -t`, `psql`',
    async drop(place) {
      writeFileSync(join(folder, 'runs.sql'), await dump(place.env, '--table=runs'));
      await drop(place);
    },
    restore: ({ env }) => psql(env, '-f', 'runs.sql'),
  },
  {
    name: '`down` by hand',
    drop,
    restore: ({ knex }) =>
      knex.schema.createTable('runs', (table) => {
        table.increments('id');
        table.integer('customer_id').notNullable().references('customers.id').onDelete('cascade');
        table.text('state').notNullable().defaultTo('new');
        table.timestamp('at').notNullable().defaultTo(knex.fn.now());
        table.index(['at'], 'runs_new');
      }),
  },
  {
    name: 'renaming',
    drop: ({ knex }) => knex.schema.renameTable('runs', 'runs_deleted'),
    restore: ({ knex }) => knex.schema.renameTable('runs_deleted', 'runs'),
  },
  {
    name: 'pg-delta',
    async drop(place) {
      await program(delta, ['schema', 'export', '--source', place.url, '--out-dir', 'schema'], place.env);
      await drop(place);
    },
    restore: ({ url, env }) => program(delta, ['schema', 'apply', '--dir', 'schema', '--target', url], env),
  },
];

async function resultOf({ drop, restore }: Way): Promise<Record<string, string>> {
  const { url, name } = await server.createDatabase();
  const env = { ...process.env, ...libpqVariables(readSettings({ DATABASE_URL: url })) };
  const knex = createKnex({ client: 'pg', connection: url });
  const whole = async () =>
    (await dump(env, '--inserts')).replace(/^\\(un)?restrict .*$/gm, '').replaceAll(/\s+/g, ' ');
  try {
    await knex.raw(schema);
    const before = await whole();
    await drop({ knex, url, env });
    const { rows } = await knex.raw(
      `select not exists (select from pg_views where viewname = 'open_runs') as gone`,
    );
    await restore({ knex, url, env });
    const after = await whole();
    const found = Object.entries(parts).map(([what, part]) => {
      if (!before.includes(part)) throw new Error(`${what}: pg_dump does not print ${part}`);
      return [what, after.includes(part) ? 'yes' : 'no'];
    });
    return {
      ...Object.fromEntries(found),
      'all of pg_dump is as before': before === after ? 'yes' : 'no',
      'the table is dropped in between': rows[0].gone ? 'yes' : 'no',
    };
  } finally {
    await knex.destroy();
    await server.dropDatabase(name);
  }
}

try {
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  await program('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', pgDelta], process.env);
  await server.sql('postgres', 'create role reader');
  const results: Record<string, string>[] = [];
  for (const way of ways) results.push(await resultOf(way));
  console.log(`PostgreSQL ${server.version}, ${pgDelta}\n`);
  console.log(`| | ${ways.map(({ name }) => name).join(' | ')} |\n|---|${'---|'.repeat(ways.length)}`);
  for (const what of Object.keys(results[0] ?? {}))
    console.log(`| ${what} | ${results.map((result) => result[what]).join(' | ')} |`);
} finally {
  await server.stop();
  rmSync(folder, { recursive: true });
}
