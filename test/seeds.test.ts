import { expect } from 'chai';
import knex from 'knex';
import { seed } from '../seeds/01_turing.ts';
import { emptyTables, legacyTables, optionalTables, populatedTables, tables } from '../seeds/turing/names.ts';
import { UndropError } from '../src/errors.ts';
import { useServer } from './support/use-database.ts';

const nine = [...legacyTables, ...optionalTables];
const owner = 'undrop_seed_owner';

describe('seeds', () => {
  const server = useServer();
  let database: string;
  let readerWasThere: boolean;

  before(async () => {
    await server.sql('postgres', `create role ${owner} login`);
    readerWasThere = (await server.sql('postgres', readerQuery)).length > 0;
    database = await ownedDatabase();
    await runSeeds(database, owner);
  });

  const made: string[] = [];
  after(async () => {
    for (const name of made) await server.dropDatabase(name);
    await server.sql('postgres', `drop role ${owner}`);
  });

  async function ownedDatabase(): Promise<string> {
    const { name } = await server.createDatabase(undefined, { owner });
    made.push(name);
    return name;
  }

  async function runSeeds(name: string, user?: string): Promise<void> {
    const db = knex({ client: 'pg', connection: server.config(name, user) });
    try {
      await db.seed.run({ directory: 'seeds', loadExtensions: ['.ts'] });
    } finally {
      await db.destroy();
    }
  }

  async function refusalOf(name: string): Promise<UndropError> {
    const error = await runSeeds(name, owner).then(
      () => undefined,
      (thrown: Error & { original?: unknown }) => thrown.original, // Knex wraps what a seed throws
    );
    // Not instanceOf: mocha requires and Knex imports the module, so there are two copies of the class.
    expect(error).to.include({ name: 'UndropError', code: 'not-seedable' });
    return error as UndropError;
  }

  /** The values of the first column. */
  async function values(text: string, name = database): Promise<unknown[]> {
    return (await server.sql(name, text)).map((row) => Object.values(row)[0]);
  }

  describe('create the database of the proposal', () => {
    it('has 74 tables, all with the same owner, who is no superuser', async () => {
      const found = await values(tablesQuery);
      expect(found).to.have.lengthOf(74);
      expect(found).to.have.members(tables);
      expect(await values('select distinct tableowner from pg_tables where schemaname = $$public$$')).to.eql([
        owner,
      ]);
    });

    it('has 23 empty tables and 51 with rows', async () => {
      const rows = await server.sql<Content>(database, contentQuery);
      const empty = rows.filter((row) => row.count === 0).map((row) => row.name);
      const populated = rows.filter((row) => row.count > 0).map((row) => row.name);
      expect(empty).to.have.lengthOf(23).and.have.members(emptyTables);
      expect(populated).to.have.lengthOf(51).and.have.members(populatedTables);
    });

    it('has 7 tables user_* and 3 profile_*', () => {
      expect(tables.filter((name) => name.startsWith('user_'))).to.have.lengthOf(7);
      expect(tables.filter((name) => name.startsWith('profile_'))).to.have.lengthOf(3);
    });

    it('has 16 workflow runs, all of workflow 3001 in production', async () => {
      const runs = 'select workflow_id, environment, count(*)::int from public.workflow_runs group by 1, 2';
      expect(await server.sql(database, runs)).to.eql([
        { workflow_id: 3001, environment: 'production', count: 16 },
      ]);
      expect(await values('select workflow_id from public.workflows order by 1')).to.include.members([
        3001, 3003,
      ]);
    });

    it('has 3 workflow errors and 1 stored script', async () => {
      expect(await values('select count(*)::int from public.workflow_errors')).to.eql([3]);
      expect(await values('select count(*)::int from public.stored_scripts')).to.eql([1]);
    });

    it('has the columns that replace the legacy tables', async () => {
      const filled = /* sql */ `
        select (select count(company_name) from public.postings) > 0
          and (select count(input) from public.interactions) > 0
          and (select count(script_content) from public.script_actors) > 0`;
      expect(await values(filled)).to.eql([true]);
    });

    it('answers select * from model_performance limit 3', async () => {
      expect(await values('select * from model_performance limit 3')).not.to.be.empty;
    });

    it('has no comment on schema public but the server’s own', async () => {
      expect(await values('select obj_description($$public$$::regnamespace)')).to.eql([
        'standard public schema',
      ]);
    });
  });

  describe('give the nine tables what the proposal describes', () => {
    it('comments, verbatim', async () => {
      const rows = await server.sql<{ name: string; comment: string | null }>(database, commentsQuery);
      const comments = Object.fromEntries(rows.map((row) => [row.name, row.comment]));
      expect(comments).to.include({
        production_runs: 'Production execution of recipes using real job postings',
        test_cases_history: 'Audit trail of all changes to variations table',
        career_analyses: 'Stores comprehensive career analysis results from Recipe 1122',
        dialogue_step_placeholders: 'Links dialogue steps to their required/optional placeholders',
        trigger_executions: null,
        workflow_scripts: null,
        interaction_lineage: 'Causation graph: tracks which LLM interactions influenced which others',
        workflow_dependencies: null,
        workflow_metrics: 'Performance metrics for workflow executions',
        qa_findings: 'Stores data quality findings from automated and manual QA checks',
      });
    });

    it('integer columns without a foreign key, named after tables that no longer exist', async () => {
      expect(await values(ghostColumnsQuery)).to.eql([
        'career_analyses.recipe_id integer',
        'dialogue_step_placeholders.dialogue_step_id integer',
        'production_runs.recipe_run_id integer',
        'test_cases_history.variation_id integer',
        'trigger_executions.trigger_id integer',
      ]);
      const gone = ['recipe_runs', 'variations', 'recipes', 'dialogue_steps', 'triggers'];
      expect(tables.filter((name) => gone.includes(name))).to.eql([]);
    });

    it('foreign keys to other tables only', async () => {
      expect(await values(outgoingQuery)).to.eql([
        'career_analyses → profiles',
        'interaction_lineage → interactions',
        'interaction_lineage → interactions',
        'organizations → locations',
        'organizations → organizations',
        'production_runs → postings',
      ]);
    });

    for (const names of [legacyTables, nine]) {
      it(`no dependent objects of ${names.length} of them`, async () => {
        const list = names.map((name) => `public.${name}`).join(', ');
        const gone = `begin; drop table ${list} restrict; ${tablesQuery}`;
        expect(await server.sql(database, gone)).to.have.lengthOf(74 - names.length);
        expect(await values(tablesQuery)).to.have.lengthOf(74);
      });
    }

    it('used sequences, and an unused one', async () => {
      const rows = await server.sql<{ name: string; last_value: string | null }>(database, sequencesQuery);
      expect(Object.fromEntries(rows.map((row) => [row.name, row.last_value]))).to.eql({
        career_analyses_analysis_id_seq: '12',
        dialogue_step_placeholders_step_placeholder_id_seq: null,
        interaction_lineage_lineage_id_seq: '268',
        organizations_organization_id_seq: '3',
        production_runs_production_run_id_seq: '41',
        test_cases_history_history_id_seq: '1187',
        trigger_executions_execution_id_seq: '90412',
        workflow_dependencies_dependency_id_seq: '130',
        workflow_scripts_script_id_seq: '7',
      });
    });

    it('every kind of index', async () => {
      expect(await values(indexKindsQuery)).to.eql(['brin', 'btree', 'gin', 'hash']);
    });

    it('grants, where the role exists', async () => {
      expect(await values(grantsQuery)).to.eql([readerWasThere]);
    });
  });

  describe('are the same everywhere', () => {
    it('for a superuser, under any search path, row by row', async () => {
      const other = await ownedDatabase();
      await server.sql(other, `alter database ${other} set search_path = nowhere`);
      await server.sql(other, `alter database ${other} set timezone = 'Asia/Kolkata'`);
      await runSeeds(other);
      const content = `set timezone = 'UTC'; ${contentQuery}`;
      expect(await server.sql(other, content)).to.eql(await server.sql(database, content));
      expect(await values(grantsQuery, other)).to.eql([true]);
    });
  });

  describe('refuse', () => {
    it('to run again, and change nothing', async () => {
      const before = await server.sql(database, contentQuery);
      expect((await refusalOf(database)).reason).to.match(/^Schema public already has \w+ and \d+ more\.$/);
      expect(await server.sql(database, contentQuery)).to.eql(before);
    });

    it('a database where one name is taken, even by a function', async () => {
      const other = await ownedDatabase();
      await server.sql(
        other,
        'create function public.touch_updated_at() returns int language sql as $$select 1$$',
      );
      expect((await refusalOf(other)).reason).to.equal('Schema public already has touch_updated_at.');
      expect(await values(tablesQuery, other)).to.eql([]);
    });

    it('production, before connecting', async () => {
      const environment = process.env.NODE_ENV;
      process.env.NODE_ENV = 'production';
      try {
        const error = await seed(knex({ client: 'pg' })).catch((thrown) => thrown);
        expect(error).to.be.instanceOf(UndropError).with.property('code', 'not-seedable');
      } finally {
        if (environment === undefined) delete process.env.NODE_ENV;
        else process.env.NODE_ENV = environment;
      }
    });
  });

  it('leave nothing behind when they fail', async () => {
    const other = await ownedDatabase();
    await server.sql(
      other,
      'create table public.notes (id int); create index work_queue_pending_idx on public.notes (id)',
    );
    const error = await runSeeds(other, owner).catch((thrown) => thrown);
    expect(error.message).to.include('relation "work_queue_pending_idx" already exists');
    expect(await values(tablesQuery, other)).to.eql(['notes']);
  });
});

interface Content {
  name: string;
  count: number;
  digest: string | null;
}

const quoted = (names: string[]): string => names.map((name) => `'${name}'`).join(', ');

const readerQuery = /* sql */ `select from pg_roles where rolname = 'turing_reader'`;

const tablesQuery = /* sql */ `select tablename from pg_tables where schemaname = 'public'`;

const contentOf = (name: string): string => /* sql */ `
  select '${name}' as name, count(*)::int, md5(string_agg(line::text, chr(10))) as digest
  from public.${name} as line`;

const contentQuery = `${tables.map(contentOf).join(' union all ')} order by name`;

const commentsQuery = /* sql */ `
  select relname as name, obj_description(oid, 'pg_class') as comment
  from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`;

const ghostColumnsQuery = /* sql */ `
  select format('%s.%s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod))
  from pg_attribute
  where attrelid = any (array[${quoted(nine)}]::regclass[])
    and attname in ('recipe_run_id', 'variation_id', 'recipe_id', 'dialogue_step_id', 'trigger_id')
    and not exists (
      select from pg_constraint where contype = 'f' and conrelid = attrelid and attnum = any (conkey)
    )
  order by 1`;

const outgoingQuery = /* sql */ `
  select format('%s → %s', conrelid::regclass, confrelid::regclass)
  from pg_constraint
  where contype = 'f' and conrelid = any (array[${quoted(nine)}]::regclass[])
  order by 1`;

const sequencesQuery = /* sql */ `
  select sequence.sequencename as name, sequence.last_value
  from pg_sequences as sequence
  join pg_depend as owned on owned.objid = format('public.%I', sequence.sequencename)::regclass
    and owned.refclassid = 'pg_class'::regclass and owned.deptype in ('a', 'i')
  where sequence.schemaname = 'public' and owned.refobjid = any (array[${quoted(nine)}]::regclass[])`;

const indexKindsQuery = /* sql */ `
  select distinct am.amname
  from pg_index as index
  join pg_class as class on class.oid = index.indexrelid
  join pg_am as am on am.oid = class.relam
  where index.indrelid = any (array[${quoted(nine)}]::regclass[])
  order by 1`;

const grantsQuery = /* sql */ `
  select exists (
    select from pg_class
    cross join lateral aclexplode(relacl) as granted
    join pg_roles on pg_roles.oid = granted.grantee and rolname = 'turing_reader'
    where relnamespace = 'public'::regnamespace
  )`;
