import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import createKnex from 'knex';
import stringWidth from 'string-width';
import { seed } from '../seeds/01_turing.ts';
import { legacyTables, optionalTables, waitingTables } from '../seeds/turing/names.ts';
import { type Audit, auditEvidence, readEvidence, type TableAudit } from '../src/audit/audit.ts';
import { searchCode } from '../src/audit/code/search.ts';
import { readDecisions } from '../src/audit/decisions.ts';
import { formatAudit, formatAuditMarkdown } from '../src/audit/report.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { control } from '../src/text/printable.ts';
import { refusalOf } from './support/migrate.ts';
import { makeProject, type Project } from './support/project.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { useServer } from './support/use-database.ts';

const decisionsFile = join(import.meta.dirname, '../decisions.json');
const ghosts = [...legacyTables, ...optionalTables];

describe('audit', () => {
  const server = useServer();
  let seeded: string;
  let folder: string;
  /** Code that names only one table, which has rows. */
  let app: string;
  const made: string[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-audit-'));
    app = mkdtempSync(join(folder, 'app-'));
    writeFileSync(join(app, 'run.py'), 'db.run("select * from workflow_runs")\n');
    seeded = await database();
    const knex = createKnex({ client: 'pg', connection: server.config(seeded) });
    await seed(knex).finally(() => knex.destroy());
  });

  after(async () => {
    for (const name of made) await server.dropDatabase(name);
    rmSync(folder, { recursive: true });
  });

  async function database(template?: string): Promise<string> {
    const { name } = await server.createDatabase(undefined, template === undefined ? {} : { template });
    made.push(name);
    return name;
  }

  interface Asked {
    user?: string;
    schemas?: string[];
    code?: string[];
    decisions?: string;
  }

  async function audit(name: string, { user, schemas, code, decisions }: Asked = {}): Promise<Audit> {
    const knex = createKnex({ client: 'pg', connection: server.config(name, user) });
    const evidence = await inReadOnlySession(knex, readEvidence).finally(() => knex.destroy());
    const search = code === undefined ? null : await searchCode(code, evidence.tables, evidence.relations);
    const decided = decisions === undefined ? [] : await readDecisions(decisions, true);
    return auditEvidence(evidence, decided, search, schemas);
  }

  const named = ({ tables }: Audit, name: string): TableAudit => {
    const found = tables.find((table) => table.name === name);
    if (found === undefined) throw new Error(`${name} is not in the audit`);
    return found;
  };
  const namesOf = ({ tables }: Audit, verdict: string) =>
    tables.filter((table) => table.verdict === verdict).map(({ name }) => name);
  const rule = (table: TableAudit, name: string) => table.rules.find((one) => one.rule === name);

  describe('of the seeded database', () => {
    it('finds the candidates and questions of the proposal', async () => {
      const found = await audit(seeded, { decisions: decisionsFile, code: [app] });
      expect(found.counts).to.deep.equal({ tables: 74, empty: 23, candidate: 6, ask: 3, keep: 65 });
      expect(namesOf(found, 'candidate')).to.have.members(legacyTables);
      expect(namesOf(found, 'ask')).to.have.members(optionalTables);
      const waiting = found.tables.filter(({ empty, verdict }) => empty && verdict === 'keep');
      expect(waiting.map(({ name }) => name)).to.have.members(waitingTables);
      for (const { evidence, why } of waiting) {
        expect(evidence.decision?.decision).to.equal('keep');
        expect(why).to.include(evidence.decision?.reason).and.include('2025-11-24');
      }
      expect(found.warnings).to.deep.equal([]);
    });

    it('gives the reason of each verdict', async () => {
      const found = await audit(seeded, { decisions: decisionsFile, code: [app] });
      expect(named(found, 'production_runs').why).to.include('recipe_run').and.include('workflow_runs');
      expect(named(found, 'test_cases_history').why).to.include('mentions variations');
      expect(named(found, 'workflow_scripts').why).to.include('stored_scripts');
      expect(named(found, 'workflow_runs')).to.include({ empty: false, rows: 16 });
      expect(named(found, 'postings').evidence.views).to.deep.equal(['public.open_postings']);
      expect(named(found, 'organizations').evidence.foreignKeysOut).to.have.length(2);
      expect(rule(named(found, 'organizations'), 'not-written')?.found).to.match(
        /^no rows written since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ on .*PostgreSQL \d+/,
      );
    });

    it('asks about the candidates if no code was searched, or not all of it', async () => {
      const none = await audit(seeded, { decisions: decisionsFile });
      expect(none.counts).to.include({ candidate: 0, ask: 9 });
      expect(named(none, 'test_cases_history').why).to.match(/; but no code was searched; set --code or/);
      const half = mkdtempSync(join(folder, 'half-'));
      writeFileSync(join(half, 'app.jar'), Buffer.from('PK\0\0'));
      const some = await audit(seeded, { decisions: decisionsFile, code: [app, half] });
      expect(some.counts).to.include({ candidate: 0, ask: 9 });
      expect(named(some, 'test_cases_history').why).to.match(/; but not named in 1 file, but 1 could not be/);
    });

    const changes: Record<string, [rule: string, sql: (table: string) => string]> = {
      'a foreign key': [
        'unreferenced',
        (table) => `create table of_${table} (other ${keyType(table)} references ${table})`,
      ],
      'a view': ['unreferenced', (table) => `create view of_${table} as select * from ${table}`],
      'a function': [
        'unreferenced',
        (table) =>
          `create function of_${table}() returns bigint language sql as 'select count(*) from ${table}'`,
      ],
    };
    const keyType = (table: string) =>
      ['test_cases_history', 'trigger_executions', 'interaction_lineage'].includes(table)
        ? 'bigint'
        : 'integer';

    for (const [what, [changed, sql]] of Object.entries(changes)) {
      it(`changes the verdict of each of the nine tables after adding ${what}`, async () => {
        const name = await database(seeded);
        await server.sql(name, ghosts.map(sql).join(';'));
        const found = await audit(name);
        for (const ghost of ghosts) {
          const table = named(found, ghost);
          expect(table.verdict, ghost).to.equal('keep');
          expect(rule(table, changed)?.holds, ghost).to.equal(false);
          expect(table.why, ghost).to.include(`of_${ghost}`);
        }
      });
    }

    it('changes the verdict of each of the nine tables after adding a row', async () => {
      const name = await database(seeded);
      const columns = await server.sql<{ table: string; column: string; type: string }>(
        name,
        `select c.relname as table, a.attname as column, format_type(a.atttypid, null) as type
         from pg_class c join pg_attribute a on a.attrelid = c.oid
         where c.relname in ('${ghosts.join("','")}') and attnum > 0 and attnotnull and not atthasdef and attidentity = ''
         order by a.attnum`,
      );
      const inserts = ghosts.map((ghost) => {
        const own = columns.filter(({ table }) => table === ghost);
        const values = own.map(({ type }, index) => (type.includes('int') ? index + 1 : `'x'`));
        return `insert into ${ghost} (${own.map(({ column }) => column).join(', ')}) values (${values.join(', ')})`;
      });
      await server.sql(name, `set session_replication_role = replica; ${inserts.join(';')}`);
      const found = await audit(name);
      for (const ghost of ghosts)
        expect(named(found, ghost), ghost).to.include({
          empty: false,
          rows: 1,
          verdict: 'keep',
          why: '1 row',
        });
    });

    it('changes the verdict of each of the nine tables if code references it', async () => {
      const code = mkdtempSync(join(folder, 'code-'));
      const lines = ghosts.map((ghost) => `run("select * from ${ghost}")\n`);
      writeFileSync(join(code, 'a.py'), lines.join(''));
      const found = await audit(seeded, { code: [code] });
      for (const [index, ghost] of ghosts.entries()) {
        expect(named(found, ghost).verdict).to.equal('keep');
        expect(named(found, ghost).why).to.equal(`named in ${join(code, 'a.py')}:${index + 1}`);
      }
      expect(named(found, 'human_tasks').verdict).to.equal('ask');
    });
  });

  describe('of other databases', () => {
    it('applies the rules to other schemas', async () => {
      const name = await database();
      await server.sql(
        name,
        `create table customers (id serial primary key, name text, city text);
         insert into customers (name) values ('a');
         create table parcel_batch_items (id serial primary key, parcel_batch_id int, n int);
         comment on table parcel_batch_items is 'What lies in a parcel batch';
         create table customers_old (id serial primary key, name text, city text);
         create table vip_customers (customer_id int references customers, name text, city text);
         create table archive_of_moves (id int); comment on table archive_of_moves is 'Filled from the warehouses table';
         create table plain (id int);
         create table shared (owner_id int, owner_type text, parent_id int, customer_id int);
         create table written_once (lorry_id int); insert into written_once values (1); delete from written_once;
         comment on table written_once is 'One row for each lorry'`,
      );
      await server.sql(name, 'vacuum written_once');
      const found = await audit(name, { code: [app] });
      expect(namesOf(found, 'candidate')).to.have.members(['parcel_batch_items', 'customers_old']);
      expect(namesOf(found, 'ask')).to.have.members([
        'vip_customers',
        'plain',
        'shared',
        'written_once',
        'archive_of_moves',
      ]);
      expect(named(found, 'written_once').why).to.match(
        /no relation lorry exists, which a comment mentions too; but 2 rows written since/,
      );
      expect(named(found, 'customers_old').why).to.include(
        'customers has a similar name, 1 row, and 3 columns in common',
      );
      expect(named(found, 'archive_of_moves').why).to.include('warehouses').and.include('only a weak sign');
    });

    it('asks if there is only one weak sign', async () => {
      const name = await database();
      await server.sql(
        name,
        `create table posts (id serial primary key); create table jobs (id serial primary key);
         create table post_tags (id serial primary key, post_id int, tag_id int, label text, color text, weight int);
         insert into posts default values; insert into jobs default values; insert into post_tags default values;
         create table job_tags (id serial primary key, job_id int, tag_id int, label text, color text, weight int);
         create table invoices (id int, stripe_payment_id text);
         comment on column invoices.stripe_payment_id is 'The Stripe payment';
         create table chats (id int, telegram_group_id bigint);
         create table logins (id int); comment on table logins is 'This table tracks visitors, in raw_events of the site';
         create table user_notes (id int, user_id int, created_at date);
         create table page_notes (id int, page_id int, created_at date); insert into page_notes values (1);
         create table orders (id int, n int); create table orders_backup (id int, n int); insert into orders_backup values (1);
         create table template_scripts (id int, name text, language text, script text);
         create table kept_scripts (id int, name text, language text, script text, workflow_id int);
         create table workflows (id int); create table stored_scripts (id int, name text, language text, script text); insert into stored_scripts values (1)`,
      );
      const found = await audit(name, { code: [app] });
      const why = Object.fromEntries(
        found.tables
          .filter(({ empty }) => empty)
          .map(({ name, verdict, why }) => [name, `${verdict}: ${why}`]),
      );
      for (const table of ['job_tags', 'invoices', 'chats', 'logins', 'user_notes', 'template_scripts'])
        expect(why[table], table).to.match(/^ask: .*; but that is only a weak sign$/);
      expect(why.logins).not.to.include('tracks');
      expect(why.orders).to.equal('ask: empty and unreferenced; no further evidence');
      expect(why.kept_scripts).to.match(/^candidate: stored_scripts has a similar name/);
    });

    it('finds all kinds of objects that reference a table', async () => {
      const name = await database();
      await server.sql(
        name,
        `create table t_policy (id int); create table t_publication (id int); create table t_default (id serial);
         create table t_type (id int); create table t_parent (id int); create table t_atomic (id int);
         create table t_rule (id int); create table t_own (id int primary key, up int references t_own);
         create table other (a int default nextval('t_default_id_seq'), b t_type, c t_type[]);
         create policy p on other using (exists (select from t_policy));
         create rule r as on insert to other do also insert into t_rule values (1);
         create publication pub for table t_publication;
         create table t_child () inherits (t_parent);
         create function f() returns bigint begin atomic select count(*) from t_atomic; end;
         create function own() returns trigger language plpgsql as 'begin return new; end';
         create trigger tr before insert on t_own for each row execute function own();
         create table parts (id int) partition by range (id);
         create table part_1 partition of parts for values from (0) to (9);
         create table filled (id int) partition by range (id);
         create table filled_1 partition of filled default; insert into filled values (1);
         create table t_subscription (id int); create schema other; create table t_view (id int);
         create view other.v as select * from t_view;
         create table t_body (id int); create procedure other.p() language plpgsql as 'begin delete from T_BODY; end';
         create table t_job (id int); create table t_job_elsewhere (id int);
         create schema cron; create table cron.job (jobid int, jobname text, command text, database text);
         insert into cron.job values (1, 'nightly', 'delete from t_job', current_database()),
           (2, null, 'vacuum t_job_elsewhere', 'another');
         set allow_system_table_mods = on;
         insert into pg_extension select 99999, 'pg_cron', oid, 'cron'::regnamespace, false, '1', null, null
           from pg_roles where rolname = current_user;
         alter extension pg_cron add table cron.job;
         create schema partman; create table partman.part_config (parent_table text, template_table text);
         create table t_template (id int);
         insert into partman.part_config values ('public.x', 'public.t_template');
         insert into pg_extension select 99998, 'pg_partman', oid, 'partman'::regnamespace, false, '1', null, null
           from pg_roles where rolname = current_user;
         alter extension pg_partman add table partman.part_config;
         create subscription s connection 'host=/nowhere' publication p with (connect = false, slot_name = none);
         insert into pg_subscription_rel
           select s.oid, 't_subscription'::regclass, 'r', null from pg_subscription as s;`,
      );
      const found = await audit(name);
      await server.sql(name, 'drop subscription s');
      const reasons: Record<string, RegExp> = {
        t_policy: /policy p on public.other/,
        t_publication: /publication pub/,
        t_default: /default value/,
        t_type: /table column public.other.b.*public.other.c/,
        t_parent: /table public.t_child/,
        t_atomic: /function public.f\(\)/,
        t_rule: /rule/,
        part_1: /partitioned table public.parts/,
        filled: /1 row/,
        t_subscription: /subscription s/,
        t_view: /view other.v/,
        t_body: /procedure other.p\(\), whose body names it/,
        t_job: /job nightly, whose body names it/,
        t_template: /partman.part_config, whose body names it/,
      };
      for (const [table, reason] of Object.entries(reasons)) {
        expect(named(found, table).verdict, table).to.equal('keep');
        expect(named(found, table).why, table).to.match(reason);
      }
      expect(named(found, 't_own')).to.include({ verdict: 'ask' });
      expect(named(found, 't_job_elsewhere')).to.include({ verdict: 'ask' });
      expect(named(found, 't_own').evidence.triggers).to.have.length(1);
      expect(named(found, 'parts')).to.include({ empty: true, verdict: 'ask' });
      expect(named(found, 'filled')).to.include({ empty: false, rows: 1 });
    });

    it('estimates the rows of a large table, but never whether it is empty', async () => {
      const name = await database();
      await server.sql(
        name,
        `create table big as select n, repeat('x', 100) as x from generate_series(1, 20000) as n;
         create table gone as select n, repeat('x', 100) as x from generate_series(1, 20000) as n;`,
      );
      await server.sql(name, 'delete from gone');
      await server.sql(name, 'analyze big');
      const found = await audit(name);
      expect(named(found, 'big')).to.include({ empty: false, rows: 20000 });
      expect(named(found, 'big').evidence.rowsEstimated).to.equal(true);
      expect(named(found, 'gone')).to.include({ empty: true, rows: 0 });
    });

    it('reads the table if its access method is not heap', async () => {
      const name = await database();
      await server.sql(
        name,
        `create access method other type table handler heap_tableam_handler;
         create table bare (id int) using other;
         create table filled (id int) using other; insert into filled values (1); analyze filled`,
      );
      const found = await audit(name);
      expect(rule(named(found, 'bare'), 'empty')).to.include({ holds: true, found: '0 rows: counted' });
      expect(named(found, 'filled')).to.include({ empty: false, rows: 1 });
    });

    it('keeps tables that it cannot read, and reports them', async () => {
      const name = await database();
      await server.sql(
        name,
        `drop role if exists ${rolePrefix}_reader; create role ${rolePrefix}_reader login;
         create table hidden (id int); insert into hidden values (1);
         create table guarded (id int); insert into guarded values (1);
         alter table guarded enable row level security; grant select on guarded to ${rolePrefix}_reader;
         create table bare (id int)`,
      );
      const found = await audit(name, { user: `${rolePrefix}_reader` });
      expect(named(found, 'hidden')).to.include({ empty: null, rows: null, verdict: 'keep' });
      expect(named(found, 'guarded')).to.include({ empty: null, rows: null, verdict: 'keep' });
      expect(named(found, 'bare')).to.include({ empty: true, verdict: 'ask' });
      expect(found.warnings.join()).to.include(
        `tables that could not be read as ${rolePrefix}_reader, and are kept for that reason: 2`,
      );
      await server.dropDatabase(name);
      await server.sql('postgres', `drop role ${rolePrefix}_reader`);
    });

    it('asks if it cannot read the jobs of pg_cron', async () => {
      const name = await database();
      await server.sql(
        name,
        `drop role if exists ${rolePrefix}_reader; create role ${rolePrefix}_reader login;
         create table old_orders (id int); create table orders (id int); insert into orders values (1);
         grant select on orders to ${rolePrefix}_reader;
         create schema cron; create table cron.job (jobid int, command text, database text);
         grant usage on schema cron to ${rolePrefix}_reader; grant select on cron.job to ${rolePrefix}_reader;
         alter table cron.job enable row level security;
         create policy p on cron.job using (false);
         set allow_system_table_mods = on;
         insert into pg_extension select 99999, 'pg_cron', oid, 'cron'::regnamespace, false, '1', null, null
           from pg_roles where rolname = current_user;
         alter extension pg_cron add table cron.job`,
      );
      expect(named(await audit(name, { code: [app] }), 'old_orders').verdict).to.equal('candidate');
      const found = await audit(name, { code: [app], user: `${rolePrefix}_reader` });
      expect(named(found, 'old_orders').verdict).to.equal('ask');
      expect(named(found, 'old_orders').why).to.match(
        /; but no object references it, but cron.job of pg_cron cannot/,
      );
      expect(found.warnings).to.include('cron.job of pg_cron cannot be read; it may name tables');
      await server.dropDatabase(name);
      await server.sql('postgres', `drop role ${rolePrefix}_reader`);
    });

    it('reports writes as unknown if the server does not count them', async () => {
      const name = await database();
      await server.sql(name, `create table t (id int); alter database ${name} set track_counts = off`);
      const found = await audit(name);
      expect(rule(named(found, 't'), 'not-written')).to.include({ holds: null });
      expect(named(found, 't').evidence.usage).to.equal(null);
      expect(found.warnings).to.deep.equal(['writes and reads are unknown: the setting track_counts is off']);
      expect(formatAudit(found)).to.include('are not counted on');
    });

    it('lists only tables of the requested schemas', async () => {
      const name = await database();
      await server.sql(name, 'create table a (id int); create schema s; create table s.b (id int)');
      const found = await audit(name, { schemas: ['s'] });
      expect(found.tables.map(({ schema, name }) => `${schema}.${name}`)).to.deep.equal(['s.b']);
      expect(formatAudit(found)).to.include('  s.b ');
    });

    it('escapes names and comments in text and Markdown', async () => {
      const name = await database();
      const nasty = [
        'a"b.c',
        'two\nlines',
        '<img src=x onerror=alert(1)>',
        '`code` | **bold** [x](javascript:1) @everyone #1',
        '\u001b[31mred\u001b]0;title\u0007',
        'right\u202eleft',
        '表'.repeat(20),
        'x'.repeat(63),
        '\\| pipe \\',
      ];
      const client = await server.client(name);
      for (const [index, table] of nasty.entries()) {
        const quoted = client.escapeIdentifier(table);
        await client.query(`create table ${quoted} (id int)`);
        await client.query(`comment on table ${quoted} is ${client.escapeLiteral(nasty.join(' '))}`);
        if (index % 2 === 0) await client.query(`insert into ${quoted} values (1)`);
      }
      await client.end();
      const found = await audit(name);
      expect(found.counts.tables).to.equal(nasty.length);
      const text = formatAudit(found);
      const lines = text.split('\n');
      expect(lines.filter((line) => line.search(control) >= 0)).to.deep.equal([]);
      expect(lines.filter((line) => stringWidth(line) > 100)).to.deep.equal([]);
      const markdown = formatAuditMarkdown(found);
      expect(markdown.split('\n').filter((line) => line.search(control) >= 0)).to.deep.equal([]);
      const outside = markdown
        .replace(/^### /, '')
        .replaceAll(/`[^`\n]*`/g, '')
        .replaceAll(/<\/?(details|summary|br)>/g, '');
      expect(outside).not.to.match(/[<@#`[\]]/);
      for (const line of markdown.split('\n').filter((line) => line.startsWith('| `')))
        expect(line.split(' | '), line).to.have.length(4);
    });
  });

  describe('decisions.json', () => {
    const write = (text: string) => {
      const file = join(mkdtempSync(join(folder, 'decisions-')), 'decisions.json');
      writeFileSync(file, text);
      return file;
    };

    it('makes a candidate of a table with the decision drop only if it is empty and unreferenced', async () => {
      const decisions = write(
        JSON.stringify({
          organizations: { decision: 'drop', reason: 'Denormalized.', by: 'the owner', when: '2025-11-25' },
          postings: { decision: 'drop', reason: 'No.' },
          nonsense: { decision: 'keep', reason: 'It is not there.' },
        }),
      );
      const found = await audit(seeded, { decisions });
      expect(named(found, 'organizations')).to.include({
        verdict: 'candidate',
        why: 'Denormalized. (the owner, 2025-11-25)',
      });
      expect(named(found, 'postings').verdict).to.equal('keep');
      expect(found.warnings).to.have.length(1);
      expect(found.warnings[0]).to.include('nonsense is not a table of');
    });

    it('is rejected with all of its mistakes', async () => {
      const bad: [string, string[]][] = [
        ['{', ['not JSON']],
        ['[]', ['not a JSON object with table names as keys']],
        [
          '{"a": 1, "b": {"decision": "maybe", "reason": ""}, "c.d.e": {"decision": "keep", "reason": "x"}, "f": {"decision": "keep", "reason": "x", "who": "me", "by": 3}}',
          [
            '"a": the value is not an object',
            '"b": decision',
            '"b": reason',
            'c.d.e',
            '"f": unknown key who',
            '"f": by',
          ],
        ],
      ];
      for (const [text, problems] of bad) {
        const error = await refusalOf(readDecisions(write(text), true), 'bad-options');
        for (const problem of problems) expect(error.reason).to.include(problem);
      }
      await refusalOf(readDecisions(join(folder, 'none.json'), true), 'bad-options');
      expect(await readDecisions(join(folder, 'none.json'), false)).to.deep.equal([]);
    });
  });

  describe('the command', () => {
    let project: Project;
    before(() => {
      project = makeProject();
      writeFileSync(join(folder, 'ünï.txt'), 'users users_2 missing\n');
    });
    after(() => project.remove());
    const run = (args: string, env: Record<string, string> = {}) =>
      project.undrop(`audit ${args}`.trim(), { env: { DATABASE_URL: server.url(seeded), ...env } });

    it('prints text, Markdown and JSON', async () => {
      const [text, markdown, json] = await Promise.all([
        run('', { CODE_ROOTS: app }),
        run('--format markdown'),
        run('--json'),
      ]);
      expect(text.status, text.text).to.equal(0);
      expect(text.stdout).to.include('74 tables, 23 empty').and.include('candidate: 6').and.include('ask: 3');
      expect(text.stdout.split('\n').filter((line) => line.length > 100)).to.deep.equal([]);
      expect(markdown.stdout).to.match(/^### Tables of `\w+`: 74, of which 23 are empty/);
      const given = JSON.parse(json.stdout);
      expect(given).to.include({ formatVersion: 1, command: 'audit', database: seeded });
      expect(given.tables).to.have.length(74);
      expect(given.tables[0]).to.include.all.keys(
        ...['schema', 'name', 'empty', 'rows', 'verdict', 'why', 'rules', 'evidence'],
      );
    });

    it('ends with 3 if schema and code do not match, and with 2 without code', async () => {
      const file = join(folder, 'ünï.txt');
      const [none, strict, loose, gone, own] = await Promise.all([
        run('--strict'),
        run('--strict --json', { CODE_ROOTS: file }),
        run(`--code ${file}`),
        run('--code nowhere'),
        run('--code scripts'),
      ]);
      expect(none.status).to.equal(2);
      expect(strict.status).to.equal(3);
      expect(JSON.parse(strict.stdout).error).to.include({ code: 'code-differs' });
      expect(JSON.parse(strict.stdout).code.unnamed).to.have.length(73);
      expect(loose.status).to.equal(0);
      expect(loose.stdout).to.include('tables that the code does not name: 73');
      expect(gone.status).to.equal(2);
      expect(gone.stderr).to.include('nowhere cannot be searched');
      expect(own.status).to.equal(2);
      expect(own.stderr).to.include(
        'The code in scripts is that of knex-undrop, not that of your application.',
      );
    });
  });
});
