import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { ensureArchive } from '../src/archive/schema.ts';
import { readManifest } from '../src/backup/manifest.ts';
import { measure } from '../src/backup/measure.ts';
import { backup } from '../src/backup/take/take-backup.ts';
import { readSettings } from '../src/knex/settings.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { fakePgDump } from './support/fake-pg-dump.ts';
import { type Runner, refusalOf, runner, withEnvironment } from './support/migrate.ts';
import { pgDump } from './support/pg-dump.ts';
import { makeProject, type Project } from './support/project.ts';
import type { TestDatabase } from './support/server.ts';
import { until } from './support/until.ts';
import { useServer } from './support/use-database.ts';

describe('a backup that is killed', () => {
  const server = useServer();
  let database: TestDatabase;
  let run: Runner;
  let project: Project;
  let folder: string;
  let good: string;

  before(async () => {
    project = makeProject();
    database = await server.createDatabase();
    folder = mkdtempSync(join(tmpdir(), 'undrop-killed-'));
    run = runner(database.url);
    await run.knex.raw('create table t as select i from generate_series(1, 1000) as i');
    await inSession(run.knex, ensureArchive);
    good = join(folder, 'good.sql');
    writeFileSync(good, await pgDump(database.url));
  });

  after(async () => {
    await run.end();
    await server.dropDatabase(database.name);
    project.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const moments = Array.from({ length: 10 }, (_, index) => index);

  /** A fake pg_dump that prints a dump in ten parts and runs a command after one of them. */
  const fake = (moment: number, what: string) => {
    const bytes = Math.ceil(readFileSync(good).length / moments.length);
    const piece = `dd if='${good}' bs=${bytes} skip=$i count=1 2>/dev/null`;
    const body = `for i in ${moments.join(' ')}; do [ $i = ${moment} ] && { ${what}; }; ${piece}; done`;
    return fakePgDump(folder, body);
  };

  /** The printed dump was written before the first record. */
  const forget = () => run.knex.raw('delete from undrop.backups');

  const take = async (to: string, PG_DUMP = fakePgDump(folder, `cat '${good}'`)) => {
    await forget();
    const target = { settings: readSettings({ DATABASE_URL: database.url }), embedded: undefined };
    return withEnvironment({ PG_DUMP }, () =>
      quietly(() => backup(run.knex, target, { folder: to, format: 'plain' })),
    );
  };

  const named = (to: string) =>
    (existsSync(to) ? readdirSync(to) : []).filter((name) => name.endsWith('.sql'));

  /** Checks that each file with the name of a backup is complete, and that the next run succeeds. */
  async function expectSound(to: string): Promise<void> {
    for (const name of named(to)) {
      const { manifest } = await readManifest(join(to, name));
      expect(manifest).to.deep.include(await measure(join(to, name)));
      expect(manifest.proof).to.equal('contents');
    }
    const before = named(to).length;
    const { file } = await take(to);
    expect(named(to)).to.have.length(before + 1);
    expect(manifestsOf(to)).to.include(file);
  }

  const manifestsOf = (to: string) =>
    readdirSync(to).flatMap((name) => (name.endsWith('.sql.json') ? [join(to, name.slice(0, -5))] : []));

  it('leaves no files if pg_dump is killed, at ten points in time', async () => {
    for (const moment of moments) {
      const to = join(folder, `pg_dump ${moment}`);
      const error = await refusalOf(take(to, fake(moment, 'kill -9 $$')), 'backup-failed');
      expect(error.reason).to.include('pg_dump was terminated by SIGKILL.');
      expect(readdirSync(to)).to.deep.equal([]);
      await expectSound(to);
    }
  });

  it('leaves no incomplete file with the name of a backup if the command is killed, at ten points in time', async () => {
    let unfinished = 0;
    // Six while pg_dump runs, four after it has ended.
    const kills = moments.map((moment) =>
      moment < 6
        ? fake(moment, 'kill -9 $PPID; sleep 0.1')
        : fakePgDump(folder, `(sleep 0.0${(moment - 6) * 3}; kill -9 $PPID) >/dev/null 2>&1 & cat '${good}'`),
    );
    const kill = async (PG_DUMP: string, moment: number) => {
      const to = join(folder, `command ${moment}`);
      const args = ['backup', '--folder', to, '--dump-format', 'plain'];
      const env = { DATABASE_URL: database.url, PG_DUMP };
      await forget();
      const { status, text } = await project.undropWith(args, { env });
      if (moment < 6) expect([status, named(to)], text).to.deep.equal([null, []]);
      if (readdirSync(to).some((name) => name.endsWith('.partial'))) unfinished++;
      await expectSound(to);
    };
    for (const [moment, PG_DUMP] of kills.entries()) await kill(PG_DUMP, moment);
    expect(unfinished).to.be.at.least(6);
  });

  it('leaves a file that the next run reports and does not change', async () => {
    const to = join(folder, 'left');
    mkdirSync(to);
    const left = join(to, 'by_pre_cleanup_20251124_230509.dump.partial');
    writeFileSync(left, 'half');
    const env = { DATABASE_URL: database.url, PG_DUMP: fakePgDump(folder, `cat '${good}'`) };
    await forget();
    const ran = await project.undropWith(['backup', '--folder', to, '--dump-format', 'plain'], { env });
    expect(ran.status, ran.text).to.equal(0);
    expect(ran.stderr).to.include(`${left} is an incomplete backup`).and.include(`rm -r '${left}'`);
    expect(readFileSync(left, 'utf8')).to.equal('half');
  });

  for (const [signal, status] of [
    ['INT', 130],
    ['TERM', 143],
    ['HUP', 129],
  ] as const) {
    it(`by SIG${signal} removes its files and exits with ${status}`, async () => {
      const to = join(folder, signal);
      const pid = join(folder, `pid ${signal}`);
      const body = `echo begun; sleep 600 & echo $! > '${pid}'; kill -${signal} $PPID; wait`;
      const env = { DATABASE_URL: database.url, PG_DUMP: fakePgDump(folder, body) };
      const ran = await project.undropWith(['backup', '--folder', to], { env });
      expect(ran.status, ran.text).to.equal(status);
      expect(ran.stderr).to.include(`The backup was stopped by SIG${signal}.`);
      expect(readdirSync(to)).to.deep.equal([]);
      // A process may still be listed for a moment after its signal.
      await until(() => {
        const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', readFileSync(pid, 'utf8').trim()]);
        return /^(Z.*)?$/.test(String(stdout).trim());
      });
    });
  }
});
