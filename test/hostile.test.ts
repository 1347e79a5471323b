import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { planDrop, reversibleDrop } from '../src/index.ts';
import { archivedDdl } from '../src/script/ddl.ts';
import { formatDdl } from '../src/script/ddl-file.ts';
import { inSession } from '../src/session/session.ts';
import { verifyDatabase } from '../src/verify/verify.ts';
import { refusalOf, runner, withEnvironment } from './support/migrate.ts';
import { systemPgDump, wholeText } from './support/pg-dump.ts';
import { skip } from './support/skip.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('hostile input', () => {
  const server = useServer();

  const { database, run, sql, reopen } = useDatabase(server);
  const open = (user?: string) => reopen(server.url(database.name, user));
  const dump = () => wholeText(database.url);

  const schema = `
    create table public.parent (id int primary key);
    create table public.a (id serial primary key, parent int references public.parent, note text default 'x' check (note <> ''));
    create index on public.a (note) where id > 1;
    create view public.seen as select id, note from public.a where note like 'x%';
    insert into public.parent values (1);
    insert into public.a (parent) values (1);`;
  const migration = reversibleDrop({
    name: '1_drop',
    tables: { 'public.a': 'old' },
    dependents: 'cascade',
    rows: 'copy',
    schemaComment: 'One is gone',
  });

  describe('a search path with functions, operators and types named like built-in ones', () => {
    // Each raises an error when it is run. They have the signatures of objects in pg_catalog, in a schema searched before it.
    const shadows = /* sql */ `
      create schema evil;
      do $do$
      declare
        made record;
      begin
        for made in
          select p.proname, pg_get_function_arguments(p.oid) as arguments, format_type(p.prorettype, null) as result, p.proretset
          from pg_proc as p
          where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind = 'f' and p.provariadic = 0
            and p.proname not in ('version') and p.prorettype::regtype::text not in ('internal', 'trigger', 'event_trigger')
            and not p.prorettype::regtype::text like '%handler' and p.proallargtypes is null
            and not exists (select from unnest(p.proargtypes) as t (oid) join pg_type as y on y.oid = t.oid where y.typtype = 'p')
            and exists (select from pg_type as y where y.oid = p.prorettype and y.typtype <> 'p')
        loop
          begin
            execute format($f$create function evil.%I(%s) returns %s %s language plpgsql
                as 'begin raise exception ''evil.%s was run''; end'$f$,
              made.proname, made.arguments, case when made.proretset then 'setof' else '' end, made.result, made.proname);
          exception when others then null;
          end;
        end loop;
        for made in
          select o.oid, o.oprname, format_type(o.oprleft, null) as l, format_type(o.oprright, null) as r, format_type(o.oprresult, null) as result,
            o.oprleft <> 0 as both
          from pg_operator as o
          where o.oprnamespace = 'pg_catalog'::regnamespace and o.oprright <> 0 and o.oprleft <> 0
            and not exists (select from pg_type as y where y.oid in (o.oprleft, o.oprright) and y.typtype = 'p')
        loop
          execute format($f$create function evil.operator_%s(%s, %s) returns %s language plpgsql
              as 'begin raise exception ''an evil operator was run''; end'$f$,
            made.oid, made.l, made.r, made.result);
          execute format('create operator evil.%s (leftarg = %s, rightarg = %s, function = evil.operator_%s)',
            made.oprname, made.l, made.r, made.oid);
        end loop;
      end
      $do$;
      create domain evil.text as pg_catalog.text check (value is null);
      create domain evil.name as pg_catalog.name check (value is null);
      create domain evil.oid as pg_catalog.oid check (value is null);
      create domain evil.regclass as pg_catalog.regclass check (value is null);
      create domain evil.jsonb as pg_catalog.jsonb check (value is null);`;

    it('runs none of them', async () => {
      await sql(schema);
      await sql(shadows);
      const [made] = await sql(`
        select (select count(*) from pg_proc where pronamespace = 'evil'::regnamespace)::int as functions,
          (select count(*) from pg_operator where oprnamespace = 'evil'::regnamespace)::int as operators`);
      console.log(`      ${made?.functions} functions and ${made?.operators} operators`);
      expect(made?.functions).to.be.greaterThan(500);
      expect(made?.operators).to.be.greaterThan(300);
      const before = await dump();
      await sql(`alter database "${database.name}" set search_path = evil, public, pg_catalog`);
      await open();
      // Check that they do raise errors.
      const trap = await run.knex
        .raw(`select 1 where 'a'::pg_catalog.text = 'a'::pg_catalog.text`)
        .catch(String);
      expect(trap).to.include('evil operator was run');
      await run.up(migration);
      expect(
        (await inSession(run.knex, (session) => archivedDdl(session, { migration: '1_drop' }))).statements,
      ).not.to.be.empty;
      await inSession(run.knex, (session) => verifyDatabase(session));
      await run.down(migration);
      await planDrop(run.knex, { name: '2', tables: ['public.a'] });
      await sql(`alter database "${database.name}" reset search_path`);
      expect(await dump()).to.equal(before);
    });
  });

  it('does not read temporary tables named like catalogs', async () => {
    await sql(schema);
    const before = await dump();
    const catalogs = [
      'pg_class',
      'pg_namespace',
      'pg_depend',
      'pg_constraint',
      'pg_attribute',
      'pg_proc',
      'pg_locks',
    ];
    for (const direction of ['up', 'down'] as const) {
      await run.knex.transaction(async (transaction) => {
        for (const catalog of catalogs)
          await transaction.raw(`create temporary table ${catalog} (oid oid, relname name) on commit drop`);
        await migration[direction](transaction);
      });
      const [there] = await sql(`select to_regclass('public.a') is not null as a`);
      expect(there).to.deep.equal({ a: direction === 'down' });
    }
    expect(await dump()).to.equal(before);
  });

  describe('tables that run code in the session that reads them', () => {
    const mallory = `hostile_mallory_${process.pid}`;

    // The function records the role that calls it.
    const traps = /* sql */ `
      create table traps (who text, what text);
      grant insert on traps to public;
      create function trapped(what text) returns boolean language plpgsql
        as $$ begin insert into public.traps values (current_user, what); return true; end $$;
      -- What says that it changes nothing may not write itself.
      create function trap(what text) returns boolean language plpgsql immutable
        as $$ begin return public.trapped(what); end $$;
      create function trap_trigger() returns trigger language plpgsql
        as $$ begin insert into public.traps values (current_user, 'trigger'); return new; end $$;
      create table bait (
        id int default (trap('default')::int),
        made boolean generated always as (trap('generated ' || note)) stored,
        note text check (trap('check ' || note)));
      create index on bait ((trap('index ' || note))) where trap('predicate ' || note);
      create statistics bait_statistics on (trap('statistics ' || note)), id from bait;
      create trigger bait_trigger before insert or update or delete on bait for each row execute function trap_trigger();
      create trigger bait_truncate before truncate on bait for each statement execute function trap_trigger();
      create rule bait_rule as on update to bait where trap('rule ' || new.note) do also insert into traps values (current_user, 'rule');
      alter table bait enable row level security, force row level security;
      create policy bait_policy on bait using (trap('policy ' || note));
      create view bait_view as select trap('view ' || note) as a from bait;
      insert into bait (note) values ('a');`;

    beforeEach(async () => {
      await sql(
        `create role ${mallory}; grant create on schema public to ${mallory}; create schema m authorization ${mallory}`,
      );
      await sql(`set role ${mallory}; set search_path = m; ${traps.replaceAll('public.trap', 'm.trap')}`);
      await sql('delete from m.traps');
    });

    afterEach(async () => {
      await sql(`drop owned by ${mallory} cascade`);
      await sql(`drop role ${mallory}`);
    });

    it('run nothing when they are read, nor when they are refused', async () => {
      const plan = await planDrop(run.knex, { name: '1', tables: ['m.bait'], dependents: 'cascade' });
      expect(plan.statements.length).to.be.greaterThan(5);
      const error = await refusalOf(
        run.up(reversibleDrop({ name: '1', tables: ['m.bait'], dependents: 'cascade' })),
        'not-empty',
      );
      expect(error.reason).to.include('m.bait');
      expect(await sql('select * from m.traps')).to.deep.equal([]);
    });

    it('run nothing while they are empty, dropped and restored', async () => {
      await sql('truncate m.bait; delete from m.traps');
      const empty = reversibleDrop({ name: '1', tables: ['m.bait'], dependents: 'cascade' });
      await run.up(empty);
      await run.down(empty);
      expect(await sql('select distinct what from m.traps order by 1')).to.deep.equal([]);
    });
  });

  it('a table does not count as empty if row-level security hides rows', async () => {
    const owner = `hostile_owner_${process.pid}`;
    await sql(
      `create role ${owner} login; create schema o authorization ${owner}; create schema undrop authorization ${owner}`,
    );
    try {
      await sql(`
        set role ${owner};
        create table o.hidden (id int);
        insert into o.hidden values (1), (2);
        alter table o.hidden enable row level security, force row level security;
        create policy none on o.hidden using (false);`);
      await open(owner);
      expect((await run.knex.raw('select count(*)::int as n from o.hidden')).rows).to.deep.equal([{ n: 0 }]);
      const error = await refusalOf(run.up(reversibleDrop({ name: '1', tables: ['o.hidden'] })), 'not-empty');
      expect(error.reason).to.include('row-level security');
    } finally {
      await open();
      await sql(`drop owned by ${owner} cascade`);
      await sql(`drop role ${owner}`);
    }
  });

  describe('an archive that was changed', () => {
    beforeEach(async () => {
      await sql(schema);
      await run.up(migration);
    });

    // The columns about the restore are not covered by the checksum, and a restore does not read them.
    const later = ['restored_at', 'restored_by', 'restored_oids', 'split_into', 'given_up_at', 'given_up_by'];

    it('is archive-damaged for a change of any value', async () => {
      const columns = await sql<{ table: string; column: string; type: string }>(`
        select c.relname as table, a.attname as column, format_type(a.atttypid, null) as type
        from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.oid = any (array['undrop.drops', 'undrop.statements', 'undrop.facts', 'undrop.rows']::regclass[])
          and a.attname not in ('id', 'drop_id', 'position', 'migration', '${later.join("', '")}')
        order by 1, a.attnum`);
      expect(columns.length).to.be.greaterThan(25);
      const other: Record<string, string> = {
        text: `coalesce(%, '') || 'x'`,
        boolean: '% is not true',
        integer: '% + 1000',
        bigint: 'coalesce(%, 0) + 1000',
        jsonb: `case when jsonb_typeof(%) = 'array' then % || '[{"kind": "table", "identity": "x"}]' else coalesce(%, '{}') || '{"x": "y"}' end`,
        'timestamp with time zone': `coalesce(%, now()) + interval '1 s'`,
        uuid: 'gen_random_uuid()',
        oid: '(%::bigint + 1)::oid',
        pg_lsn: `coalesce(%, '0/1') + 1`,
      };
      const unseen: string[] = [];
      for (const { table, column, type } of columns) {
        const changed = other[type]?.replaceAll('%', `"${column}"`);
        if (changed === undefined) throw new Error(`no other value for ${type}`);
        const damaged = await server.createDatabase(undefined, { template: await closed() });
        await server.sql(damaged.name, `update undrop.${table} set "${column}" = ${changed}`);
        const there = runner(damaged.url);
        await refusalOf(there.down(migration), 'archive-damaged').catch((error) =>
          unseen.push(`${table}.${column}: ${error}`),
        );
        await there.end();
        await server.dropDatabase(damaged.name);
      }
      expect(unseen).to.deep.equal([]);
    });

    /** Closes all connections, so that the database can be copied. Returns its name. */
    async function closed(): Promise<string> {
      await reopen();
      return database.name;
    }

    it('is archive-damaged where something is missing, or in another order', async () => {
      const changes = [
        ...['statements', 'facts', 'rows'].map((table) => `delete from undrop.${table} where position = 1`),
        ...['statements', 'facts'].map(
          (table) => `update undrop.${table} set position = 1000 where position = 1`,
        ),
      ];
      for (const change of changes) {
        const damaged = await server.createDatabase(undefined, { template: await closed() });
        await server.sql(damaged.name, change);
        const there = runner(damaged.url);
        await refusalOf(there.down(migration), 'archive-damaged');
        await there.end();
        await server.dropDatabase(damaged.name);
      }
    });

    it('is restored where entries had no checksum of their own yet', async () => {
      await sql(`update undrop.drops set digest = split_part(digest, '.', 1)`);
      await run.down(migration);
    });
  });

  it('does not use an archive that other roles may write to', async () => {
    const [owner, other] = [`hostile_owner_${process.pid}`, `hostile_other_${process.pid}`];
    const named = (text: string) => text.replaceAll('OTHER', other).replaceAll('OWNER', owner);
    await sql(
      named(`create role OWNER login; create role OTHER; create schema o authorization OWNER;
        create schema undrop authorization OWNER; set role OWNER; create table o.a (id int); create table o.b (id int)`),
    );
    try {
      await open(owner);
      const first = reversibleDrop({ name: '1', tables: ['o.a'] });
      const second = reversibleDrop({ name: '2', tables: ['o.b'] });
      await run.up(first);
      const rights: [grant: string, revoke: string, says: string][] = [
        [
          'grant create on schema undrop to OTHER',
          'revoke create on schema undrop from OTHER',
          'OTHER may create in schema undrop',
        ],
        [
          'grant usage on schema undrop to OTHER; grant insert on undrop.statements to OTHER',
          'revoke all on schema undrop from OTHER; revoke all on undrop.statements from OTHER',
          'OTHER may insert on table undrop.statements',
        ],
        [
          'grant usage on schema undrop to public; grant update (sql) on undrop.statements to public',
          'revoke all on schema undrop from public; revoke all (sql) on undrop.statements from public',
          'PUBLIC may update on table undrop.statements',
        ],
        [
          'grant create on schema undrop to OTHER; alter table undrop.facts owner to OTHER; revoke create on schema undrop from OTHER',
          'alter table undrop.facts owner to OWNER',
          'table undrop.facts belongs to OTHER',
        ],
        [
          'alter schema undrop owner to OTHER; grant all on schema undrop to OWNER',
          'alter schema undrop owner to OWNER',
          'schema undrop belongs to OTHER',
        ],
      ];
      for (const [grant, revoke, says] of rights) {
        await sql(named(grant));
        let next = '';
        for (const work of [() => run.down(first), () => run.up(second)]) {
          const error = await refusalOf(work(), 'archive-damaged');
          expect(error.reason).to.equal(named(says));
          next = error.next;
        }
        // The statements in the error message are sufficient.
        await sql(/^Run: (.*)$/m.exec(next)?.[1] ?? '');
        await run.up(second);
        await run.down(second);
        await sql(named(revoke));
      }
      // SELECT on definitions is allowed, and privileges on tables have no effect without USAGE on the schema.
      await sql(named('grant insert on undrop.statements to OTHER'));
      await run.up(second);
      await sql(
        named('revoke insert on undrop.statements from OTHER; grant usage on schema undrop to OTHER'),
      );
      await sql(named('grant select on all tables in schema undrop to OTHER'));
      await run.down(first);
    } finally {
      await open();
      await sql(named('drop owned by OTHER, OWNER cascade; drop role OTHER; drop role OWNER'));
    }
  });

  it('exports DDL that is safe to run in psql', async function () {
    const pgDump = await systemPgDump();
    const psql = pgDump && join(dirname(pgDump.path), 'psql');
    if (!psql || !existsSync(psql)) return skip(this, 'there is no psql');
    const evil = [
      `"; drop table canary; --`,
      `\\gexec`,
      `a\n\\! touch CANARY\n`,
      `:"x"`,
      `:'x'`,
      `:x`,
      `$$; drop table canary; $$`,
      '`touch CANARY`',
      `\\; drop table canary;`,
    ];
    const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;
    const literal = (text: string) => `$literal$${text}$literal$`;
    await sql('create table canary (id int)');
    for (const name of evil) {
      await sql(`
        create table ${quote(name)} (${quote(name)} text default ${literal(name)} check (${quote(name)} <> ${literal(name)}));
        comment on table ${quote(name)} is ${literal(`${name}\n\\! touch CANARY\n:x :"x" :'x'`)};
        create view ${quote(`v${name}`)} as select ${quote(name)} || ${literal(name)} as a from ${quote(name)};
        create function ${quote(`f${name}`)}(${quote(name)}) returns text language sql as $f$ select ${literal(`:x \\! touch CANARY`)} $f$;`);
    }
    const before = await wholeText(database.url);
    const all = reversibleDrop({ name: '1', tables: evil.map(quote), dependents: 'cascade' });
    await run.up(all);
    const folder = mkdtempSync(join(tmpdir(), 'undrop-psql-'));
    try {
      const ddl = await inSession(run.knex, (session) => archivedDdl(session, { migration: '1' }));
      const file = join(folder, 'file.sql');
      writeFileSync(file, formatDdl(ddl));
      await withEnvironment({}, async () => {
        const ran = spawnSync(
          psql,
          ['-X', '-v', 'ON_ERROR_STOP=1', '-v', 'x=evil', '-d', database.url, '-f', file],
          {
            cwd: folder,
            encoding: 'utf8',
          },
        );
        expect(ran.status, ran.stderr).to.equal(0);
      });
      expect(existsSync(join(folder, 'CANARY'))).to.equal(false);
      expect(await sql(`select to_regclass('canary') is not null as there`)).to.deep.equal([{ there: true }]);
      expect(await wholeText(database.url)).to.equal(before);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
