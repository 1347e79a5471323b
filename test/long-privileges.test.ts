import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import * as legacy from '../migrations/044_cleanup_legacy_tables.ts';
import * as optional from '../migrations/045_cleanup_optional_tables.ts';
import { seed } from '../seeds/01_turing.ts';
import { optionalTables } from '../seeds/turing/names.ts';
import { isUndropError } from '../src/errors.ts';
import { migrationsIn } from '../src/migration/migrations.ts';
import { preflight } from '../src/preflight/preflight.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { quietly } from '../src/text/log.ts';
import type { Ran } from './support/command.ts';
import { runner, withEnvironment } from './support/migrate.ts';
import { nativeOrSkip, systemPgDump } from './support/pg-dump.ts';
import { makeProject, type Project } from './support/project.ts';
import { useServer } from './support/use-database.ts';

const folder = join(import.meta.dirname, '../migrations');
const docs = readFileSync(join(import.meta.dirname, '../docs/privileges.md'), 'utf8');

interface Grant {
  sql: string;
  /** The error code without this privilege. */
  code: string;
}

/** The statements under a heading of the document, one a line. */
function grantsOf(heading: string): Grant[] {
  const [, section = ''] = docs.split(`\n## ${heading}`);
  const [, block = ''] = /```sql\n([\s\S]*?)```/.exec(section.split('\n## ')[0] ?? '') ?? [];
  return [...block.matchAll(/^(.*); -- ([a-z-]+)$/gm)].map(([, sql = '', code = '']) => ({ sql, code }));
}

describe('the privileges of docs/privileges.md', () => {
  const roles = {
    migrator: `privileges_migrator_${process.pid}`,
    reader: `privileges_reader_${process.pid}`,
  };
  const owner = `privileges_owner_${process.pid}`;
  const env = {
    APPROVED_DROPS: optionalTables.join(','),
    UNDROP_BACKUP: 'off',
    UNDROP_SCHEMA_COMMENT: 'off',
  };
  const server = useServer();
  let project: Project;
  let seeded: string;

  before(async () => {
    project = makeProject();
    for (const role of [owner, ...Object.values(roles)])
      await server.sql('postgres', `create role ${role} login`);
    seeded = (await server.createDatabase(undefined, { owner })).name;
    const run = runner(server.url(seeded, owner));
    await seed(run.knex);
    await run.end();
    await server.sql(seeded, 'revoke all on schema public from public');
  });

  after(async () => {
    project.remove();
    await server.dropDatabase(seeded);
    for (const role of [owner, ...Object.values(roles)]) await server.sql('postgres', `drop role ${role}`);
  });

  const migrating = grantsOf('knex migrate:latest');
  const backingUp = grantsOf('undrop backup');
  const restoring = grantsOf('undrop restore --from-backup');
  const reading = grantsOf('undrop status');
  const named = (sql: string) =>
    sql
      .replaceAll(/\bmigrator\b/g, roles.migrator)
      .replaceAll(/\breader\b/g, roles.reader)
      .replaceAll(/\bturing_owner\b/g, owner);

  /** Creates a copy of the seeded database with these grants. */
  async function withGrants(
    grants: readonly Grant[],
    work: (database: string) => Promise<void>,
  ): Promise<void> {
    const { name } = await server.createDatabase(undefined, { template: seeded, owner });
    try {
      for (const { sql } of grants) await server.sql(name, named(sql));
      await work(name);
    } finally {
      await server.dropDatabase(name);
      await server.sql(
        'postgres',
        `revoke pg_read_all_data from ${roles.migrator}; alter role ${owner} nocreatedb`,
      );
    }
  }

  /** Runs the migrations like Knex. */
  async function migrate(database: string): Promise<void> {
    const run = runner(server.url(database, roles.migrator));
    try {
      await withEnvironment(env, () =>
        quietly(async () => {
          for (const migration of [legacy, optional]) await run.up(migration);
          for (const migration of [optional, legacy]) await run.down(migration);
        }),
      );
    } finally {
      await run.end();
    }
  }

  /** The error codes that preflight reports for the migrations. */
  async function foreseen(database: string): Promise<string> {
    const run = runner(server.url(database, roles.migrator));
    try {
      const { migrations } = await withEnvironment(env, () =>
        inReadOnlySession(run.knex, (session) => preflight(session, migrationsIn(folder))),
      );
      const refusals = migrations.flatMap(({ gates }) => gates.flatMap((gate) => gate.refusals));
      return refusals.map(({ message, reason }) => `${message}\n${reason}`).join('\n');
    } finally {
      await run.end();
    }
  }

  const succeeds = async (ran: Promise<Ran>) => {
    const { status, text } = await ran;
    expect(status, text).to.equal(0);
  };

  it('are found in the document', () => {
    expect(migrating).to.have.lengthOf.above(10);
    expect([backingUp.length, restoring.length, reading.length]).to.deep.equal([1, 1, 2]);
  });

  it('are enough for each command', async () => {
    const pgDump = await systemPgDump(server.major);
    await withGrants([...migrating, ...(pgDump ? backingUp : [])], async (name) => {
      const as = (role: string) => ({ env: { ...env, DATABASE_URL: server.url(name, role) } });
      const migrator = as(roles.migrator);
      if (pgDump) await succeeds(project.undrop('backup', migrator));
      await succeeds(project.undrop('ddl organizations', migrator));
      await succeeds(project.knex('migrate:latest', migrator));
      for (const { sql } of reading) await server.sql(name, named(sql));
      const reader = as(roles.reader);
      for (const command of ['status', 'count-tables', 'ddl --migration 044_cleanup_legacy_tables'])
        await succeeds(project.undrop(command, reader));
      await succeeds(project.undrop('verify', migrator));
      await succeeds(project.undrop('restore --migration 045_cleanup_optional_tables', migrator));
      await succeeds(project.knex('migrate:rollback', migrator));
    });
  });

  for (const grant of migrating) {
    it(`without: ${grant.sql}`, async () => {
      const others = migrating.filter((one) => one !== grant);
      await withGrants(others, async (name) => {
        const error = await migrate(name).catch((thrown) => thrown);
        expect(isUndropError(error), String(error)).to.equal(true);
        expect(error.code, String(error)).to.equal(grant.code);
        const [, object = ''] = /(?:on(?: schema)?|table|schema|statistics) (\w+) /.exec(grant.sql) ?? [];
        expect(String(error)).to.include(object);
        expect(await foreseen(name)).to.include(object);
      });
    });
  }

  for (const grant of reading) {
    it(`without: ${grant.sql}`, async () => {
      await withGrants(migrating, async (name) => {
        await migrate(name);
        for (const { sql } of reading) if (sql !== grant.sql) await server.sql(name, named(sql));
        const ran = await project.undrop('status', {
          env: { ...env, DATABASE_URL: server.url(name, roles.reader) },
        });
        expect(ran.text).to.match(new RegExp(`^${grant.code}: `, 'm'));
        expect(ran.text).to.include('undrop');
      });
    });
  }

  it(`without: ${backingUp[0]?.sql}`, async function () {
    await nativeOrSkip(this, server.major);
    await withGrants(migrating, async (name) => {
      const ran = await project.undrop('backup', {
        env: { ...env, DATABASE_URL: server.url(name, roles.migrator) },
      });
      expect(ran.text).to.match(new RegExp(`^${backingUp[0]?.code}: `, 'm'));
    });
  });

  it('are enough to restore from a backup, and each of them is required', async function () {
    await nativeOrSkip(this, server.major);
    await withGrants([], async (name) => {
      const backups = join(project.folder, 'restorable');
      const as = { env: { ...env, DATABASE_URL: server.url(name, owner) } };
      await succeeds(project.undrop('backup --folder restorable', as));
      const file = readdirSync(backups).find((one) => one.endsWith('.dump')) ?? '';
      const restore = (how: string) =>
        project.undrop(`restore --from-backup ${join(backups, file)} ${how}`, as);
      await server.sql(name, 'drop table organizations');
      const wholly = `--into ${name}_restored`;
      for (const { sql, code } of restoring) {
        for (const how of [wholly, '--table organizations']) {
          const ran = await restore(how);
          expect(ran.text).to.match(new RegExp(`^${code}: `, 'm'));
          expect(ran.text).to.include(`Database: ${name} at`);
          expect(ran.text).not.to.include('--prove-on');
          expect(ran.text).to.include(`next: Run as an administrator: ${named(sql)}.`);
        }
        await server.sql('postgres', named(sql));
      }
      try {
        await succeeds(restore(wholly));
        await succeeds(restore('--table organizations'));
      } finally {
        await server.dropDatabase(`${name}_restored`);
      }
    });
  });

  it('the schema comment is refused to a role that does not own the schema, with the next step', async () => {
    await withGrants(migrating, async (name) => {
      const { UNDROP_SCHEMA_COMMENT, ...others } = env;
      const ran = await project.knex('migrate:latest', {
        env: { ...others, DATABASE_URL: server.url(name, roles.migrator) },
      });
      expect(ran.status).to.equal(1);
      expect(ran.text)
        .to.match(/^insufficient-privilege: .* may not comment on the schema public/m)
        .and.include(`UNDROP_SCHEMA_COMMENT=${UNDROP_SCHEMA_COMMENT}`);
    });
  });
});
