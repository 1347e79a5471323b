import { expect } from 'chai';
import { attest } from '../src/backup/take/attest.ts';
import { migrationsIn } from '../src/migration/migrations.ts';
import { glanceSection, recordSection } from '../src/report/glance-sections.ts';
import { html } from '../src/report/html.ts';
import type { Section } from '../src/report/page.ts';
import { formatReportHtml } from '../src/report/pages.ts';
import { type Report, readReport } from '../src/report/read-report.ts';
import { inSession } from '../src/session/session.ts';
import { moment } from '../src/text/units.ts';
import { useProject } from './support/source-project.ts';
import { useDatabase, useServer } from './support/use-database.ts';

const schema = `
  create table runs (id int);
  create table drafts (id int);
  create table notes (id int);
  create table orders (id int);
  insert into orders values (1);`;

/** The text of markup, with `|` between the texts of elements. */
const textOf = (content: Section['body'] = null) =>
  html`${content}`.text
    .replaceAll(/<[^>]*>|\n/g, '|')
    .replaceAll(/ *\|[| ]*/g, '|')
    .replaceAll(/^\||\|$/g, '');

describe('the page of a report', () => {
  const server = useServer();
  const { run } = useDatabase(server, schema);
  const project = useProject();

  const read = (): Promise<Report> =>
    readReport(run.knex, {
      root: project.folder,
      project: migrationsIn(project.path('migrations')),
      expect: undefined,
    });
  const load = (name: string) => project.load(`migrations/${name}.js`);
  const record = (report: Report) => textOf(recordSection(report)?.body);

  it('begins with the state of each migration, and with numbers', async () => {
    project.migration('1_done', { tables: ['runs'] });
    project.migration('2_goes', { tables: ['drafts'] });
    project.migration('3_refused', { tables: ['orders'] });
    project.migration('4_waits', { tables: ['drafts', 'notes'], approval: 'each-table' });
    await run.up(await load('1_done'));
    const { id, body } = glanceSection(await read());
    expect(id).to.equal('glance');
    const [list, tiles] = textOf(body).split('|tables|');
    expect(list?.split('|')).to.deep.equal([
      ...['done', '1_done', 'has already dropped its tables'],
      ...['goes', '2_goes', 'would drop 1 table'],
      ...['refused', '3_refused', 'would drop 1 table, but is refused: not-empty'],
      ...['waits', '4_waits', 'waits for approval of 2 tables'],
    ]);
    expect(tiles?.split('|').slice(0, 12)).to.deep.equal([
      ...['3', 'empty', '2', '67 %', 'candidates', '0', 'questions', '2', 'open entries', '1'],
      ...['checks failed', '0'],
    ]);
  });

  it('has no record of drops and backups if there are none', async () => {
    project.write('migrations/README', '');
    const report = await read();
    expect(recordSection(report)).to.equal(undefined);
    expect(formatReportHtml(report, undefined)).not.to.include('Drops and backups');
  });

  it('has the drops, with what became of them', async () => {
    project.migration('1_drop', { tables: ['runs', 'drafts'] });
    const drop = await load('1_drop');
    await run.up(drop);
    const dropped = await read();
    const [entry] = dropped.status.archive;
    const names = '1_drop|:|runs|,|drafts';
    expect(record(dropped)).to.equal(
      `dropped|by|tables|state|${moment(entry?.droppedAt ?? '')}|${entry?.droppedBy}|${names}|can be rolled back`,
    );
    await run.down(drop);
    const restored = await read();
    const state = `restored ${moment(restored.status.archive[0]?.restoredAt ?? '')}`;
    expect(record(restored).endsWith(`|${state}`)).to.equal(true);
    const archive = restored.status.archive.map((one) => ({ ...one, note: 'by hand <b>' }));
    const noted = record({ ...restored, status: { ...restored.status, archive } });
    expect(noted.endsWith(`|${state}; by hand &lt;b&gt;`)).to.equal(true);
  });

  it('has the backups, with how each was proved', async () => {
    project.write('migrations/README', '');
    await inSession(run.knex, (session) => attest(session, 'snapshot 12'));
    const report = await read();
    const [attested] = report.status.backups;
    if (attested === undefined) throw new Error('no backup is recorded');
    const time = moment(attested.finishedAt);
    expect(record(report)).to.equal(`backup|file|proved by|${time}|attested as snapshot 12|not proved`);
    const file = { ...attested, attestation: null, file: '/b/1.dump', proof: 'contents' };
    const backups = [file, attested];
    expect(record({ ...report, status: { ...report.status, backups } })).to.equal(
      `backup|file|proved by|${time}|/b/1.dump|contents|${time}|attested as snapshot 12|not proved`,
    );
    expect(formatReportHtml(report, undefined)).to.include('Drops and backups');
  });

  it('shows in a section why its part could not be read', async () => {
    project.write('migrations/README', '');
    const report = await read();
    const failure = {
      part: 'verify',
      message: 'Too few locks.',
      reason: 'Because.',
      next: 'Set more.',
    } as const;
    const page = formatReportHtml({ ...report, failures: [failure] }, undefined);
    const sections = page.split('<section id="');
    const verify = sections.find((text) => text.startsWith('verify"'));
    expect(verify).to.include('Too few locks. Because.').and.include('Set more.');
    expect(sections.filter((text) => text.includes('Too few locks.'))).to.have.length(1);
  });
});
