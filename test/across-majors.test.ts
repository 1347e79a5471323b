import { expect } from 'chai';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import { quietly } from '../src/text/log.ts';
import { installedNative } from './support/binaries.ts';
import { inCase, needs, readSomeCases } from './support/case-folders.ts';
import { statements } from './support/judges.ts';
import { refusalOf } from './support/migrate.ts';
import { pgDump } from './support/pg-dump.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { startServer, type TestDatabase, type TestServer } from './support/server.ts';
import { skip } from './support/skip.ts';
import { useServer } from './support/use-database.ts';

const oldMajor = 15;

describe(`an archive of PostgreSQL ${oldMajor}, dumped and loaded here`, () => {
  let old: TestServer;
  const server = useServer();

  before(async () => {
    if (server.major <= oldMajor) return;
    old = await startServer({ native: installedNative() });
    expect(old.major).to.equal(oldMajor);
  });

  after(() => old?.stop());

  beforeEach(function () {
    if (server.embedded)
      skip(this, 'PGlite has 32 bits, so that columns of 64 differ: pg_attribute.attbyval');
  });

  for (const { name, schema, tables, options } of readSomeCases()) {
    const migration = reversibleDrop({ name, tables, ...options });

    it(`${name}: is restored`, function () {
      needs(this, server, oldMajor + 1);
      return inCase(old, schema, async (run, database) => {
        const roles = await readRoles(database);
        const dumped = loadable(await pgDump(database.url));
        await quietly(() => run.up(migration));
        const withArchive = loadable(await pgDump(database.url));
        let wanted = '';
        await inCase(server, roles + dumped, async (_, { url }) => {
          wanted = await pgDump(url);
        });
        await inCase(server, roles + withArchive, async (here, { url }) => {
          await quietly(() => here.down(migration));
          expect(comparable(await pgDump(url, ['--exclude-schema=undrop']))).to.deep.equal(
            comparable(wanted),
          );
        });
      });
    });
  }

  it('refuses a column of type aclitem since 16, which changed the type', function () {
    needs(this, server, 16);
    const migration = reversibleDrop({ name: 'acl', tables: ['t'] });
    return inCase(old, 'create table t (a aclitem)', async (run, { url }) => {
      await quietly(() => run.up(migration));
      await inCase(server, loadable(await pgDump(url)), async (here) => {
        const { reason } = await refusalOf(here.down(migration), 'restore-differs');
        expect(reason).to.include('pg_attribute.attlen was 12, is 16');
      });
    });
  });

  it('restores operators that expressions do not print, or refuses', function () {
    needs(this, server, oldMajor + 1);
    const migration = reversibleDrop({ name: 'm', tables: ['t'], dependents: 'cascade', rows: 'copy' });
    const schema = `
      create schema ops;
      create function ops.same(int, text) returns boolean language sql immutable as 'select $1 = $2::int';
      create operator ops.= (function = ops.same, leftarg = int, rightarg = text);
      create operator ops.~= (function = ops.same, leftarg = int, rightarg = text);
      create table t (a int, b text, c int[]);
      insert into t values (1, '01', '{1}');
      set search_path = ops;
      create view public.v as
        select a is distinct from b as other, a ~= b as same, c is distinct from '{2}' as others, count(*)
        from public.t group by a, b, c order by a`;
    return inCase(old, schema, async (run, { url }) => {
      await quietly(() => run.up(migration));
      const dumped = loadable(await pgDump(url));
      await inCase(server, dumped, async (here) => {
        await quietly(() => here.down(migration));
        expect(await here.rows('select other, same, others from v')).to.deep.equal([
          { other: false, same: true, others: true },
        ]);
      });
      const arrays = `
        create function ops.same(int[], int[]) returns boolean language sql immutable as 'select true';
        create operator ops.= (function = ops.same, leftarg = int[], rightarg = int[]);`;
      await inCase(server, dumped + arrays, async (here) => {
        const { reason } = await refusalOf(
          quietly(() => here.down(migration)),
          'restore-differs',
        );
        expect(reason).to.match(
          /pg_rewrite\.ev_action\.resolved was .*ops\.=\(integer,pg_catalog\.text\).*, is .*ops\.=\(integer\[\]/s,
        );
      });
    });
  });

  /** Recreates the roles of a case, as pg_dumpall would. */
  async function readRoles(database: TestDatabase): Promise<string> {
    const rows = await old.sql<{ sql: string }>(
      database.name,
      `select format('create role %I;', rolname) as sql from pg_roles where starts_with(rolname, '${rolePrefix}_')
       union all
       select format('grant %I to %I;', r.rolname, m.rolname)
       from pg_auth_members a join pg_roles r on r.oid = a.roleid join pg_roles m on m.oid = a.member
       where starts_with(r.rolname, '${rolePrefix}_')
       order by 1`,
    );
    return rows.map(({ sql }) => sql).join('\n');
  }
});

/** The judge's dump is by version 18, which sets parameters that servers before 17 do not have. */
function loadable(dump: string): string {
  return dump.replace(/^SET transaction_timeout = 0;$/m, '');
}

/** An owner with some privileges of its own revoked has MAINTAIN after a dump, but not after a restore. */
function comparable(dump: string): string[] {
  return statements(dump).map((one) => (one.startsWith('GRANT ') ? one.replace(',MAINTAIN', '') : one));
}
