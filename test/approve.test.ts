import { rmSync } from 'node:fs';
import { expect } from 'chai';
import type { ErrorCode } from '../src/errors.ts';
import { migrationsIn } from '../src/migration/migrations.ts';
import { readApprovalsFile } from '../src/options/approvals-file.ts';
import { type Approved, approveProposal } from '../src/report/approve.ts';
import { formatProposal } from '../src/report/proposal.ts';
import { readReport } from '../src/report/read-report.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { refusalOf } from './support/migrate.ts';
import { useProject } from './support/source-project.ts';
import { useDatabase, useServer } from './support/use-database.ts';

const schema = `
  create table runs (id int);
  create table drafts (id int);
  create schema app;
  create table app.logs (id int);
  create table "a \`b\`" (id int);`;

describe('approve', () => {
  const server = useServer();
  const { run, sql } = useDatabase(server, schema);
  const project = useProject();

  beforeEach('write migrations and a proposal', async () => {
    project.migration('1_drop', { tables: ['runs'] });
    project.migration('2_ask', {
      tables: { drafts: 'Never `used`.', 'app.logs': '', '"a `b`"': '' },
      approval: 'each-table',
    });
    await propose();
  });

  const migrations = () => migrationsIn(project.path('migrations'));

  async function propose(): Promise<void> {
    const report = await readReport(run.knex, {
      root: project.folder,
      project: migrations(),
      expect: undefined,
    });
    project.write('proposal.md', formatProposal(report, 'proposal.md'));
  }

  const approve = (by: string | null = 'Ada', from = 'proposal.md'): Promise<Approved> =>
    inReadOnlySession(run.knex, (session) =>
      approveProposal(session, { root: project.folder, migrations: migrations(), from, by, note: '#12' }),
    );

  const change = (from: string | RegExp, to: string) => {
    const text = project.read('proposal.md');
    const changed = text.replace(from, to);
    expect(changed).not.to.equal(text);
    project.write('proposal.md', changed);
  };
  const tick = (table: string) => change(`[ ] \`${table}@`, `[x] \`${table}@`);
  const untick = (table: string) => change(`[x] \`${table}@`, `[ ] \`${table}@`);
  const boxes = () =>
    new Map(
      [...project.read('proposal.md').matchAll(/`(\S+)@([0-9a-f]{12})`/g)].map(
        ([, table = '', fingerprint = '']) => [table, fingerprint],
      ),
    );
  const kept = () => readApprovalsFile(project.path('approvals.json'));
  const tables = (found: Approved['approved']) => found.map(({ table }) => table);

  it('records the ticked boxes, and the migration drops these tables alone', async () => {
    tick('drafts');
    const start = Date.now();
    const found = await approve();
    const fingerprint = boxes().get('drafts') ?? '';
    expect(found.file).to.equal(project.path('approvals.json'));
    expect(found.failure).to.equal(undefined);
    expect(found.approved).to.deep.equal([{ migration: '2_ask', table: 'drafts', fingerprint }]);
    expect(tables(found.notApproved)).to.deep.equal(['app.logs', '"a `b`"']);
    const { at = '', ...rest } = kept().drafts ?? {};
    expect(Object.keys(kept())).to.deep.equal(['drafts']);
    expect(rest).to.deep.equal({ fingerprint, by: 'Ada', note: '#12' });
    expect(Date.parse(at)).to.be.within(start, Date.now());

    const drop = await project.load('migrations/2_ask.js');
    await run.up(drop);
    const left = await sql<{ name: string }>(
      `select tablename as name from pg_tables where schemaname in ('public', 'app') order by 1`,
    );
    expect(left.map(({ name }) => name)).to.deep.equal(['a `b`', 'logs', 'runs']);
    const [entry] = await sql('select approvals from undrop.drops');
    expect(entry).to.deep.equal({
      approvals: [{ table: 'drafts', fingerprint, by: 'Ada', note: '#12', at }],
    });
  });

  it('takes boxes in other forms of Markdown', async () => {
    tick('app.logs');
    change('- [ ] `drafts@', '  * [X] `drafts@');
    change('- [ ] `"a \\u0060b\\u0060"@', '+ [x] `"a \\u0060b\\u0060"@');
    expect(tables((await approve()).approved)).to.deep.equal(['drafts', 'app.logs', '"a `b`"']);
    expect(kept()).to.have.all.keys('drafts', 'app.logs', '"a `b`"');
  });

  it('keeps who approved a table before, until its box is no longer ticked', async () => {
    tick('drafts');
    await approve('Ada');
    const first = kept().drafts;
    await propose();
    tick('app.logs');
    expect(tables((await approve('Bob')).approved)).to.deep.equal(['drafts', 'app.logs']);
    expect(kept().drafts).to.deep.equal(first);
    expect(kept()['app.logs']?.by).to.equal('Bob');
    untick('drafts');
    expect(tables((await approve()).notApproved)).to.deep.equal(['drafts', '"a `b`"']);
    expect(kept()).to.have.all.keys('app.logs');
  });

  it('replaces an approval of an earlier state', async () => {
    tick('drafts');
    await approve('Ada');
    await sql('alter table drafts add note text');
    await propose();
    await approve('Bob');
    expect(kept().drafts).to.include({ by: 'Bob', fingerprint: boxes().get('drafts') });
  });

  it('keeps approvals for which the proposal has no box', async () => {
    tick('app.logs');
    await approve();
    change(/^.*`app\.logs@.*\n/m, '');
    tick('drafts');
    await approve();
    expect(kept()).to.have.all.keys('app.logs', 'drafts');
  });

  it('returns approval-missing if no box is ticked, and removes the approvals of all', async () => {
    tick('drafts');
    await approve();
    untick('drafts');
    const { approved, failure } = await approve();
    expect(approved).to.deep.equal([]);
    expect(failure?.code).to.equal('approval-missing');
    expect(failure?.message).to.equal('No box of proposal.md is ticked.');
    expect(kept()).to.deep.equal({});
  });

  describe('writes nothing', () => {
    const cases: [string, ErrorCode, RegExp, () => unknown][] = [
      [
        'if a ticked table needs no approval',
        'bad-options',
        /^proposal\.md approves `runs`, .*Tables that need an approval: drafts, app\.logs, "a `b`"\.$/s,
        () => change('[ ] `drafts@', '[x] `runs@'),
      ],
      [
        'if no table needs an approval',
        'bad-options',
        /approves `drafts`, .*No pending migration of this project has tables that need an approval\.$/s,
        () => {
          tick('drafts');
          rmSync(project.path('migrations/2_ask.js'));
        },
      ],
      [
        'if a ticked table was changed after the proposal',
        'approval-stale',
        /app\.logs: approved as [0-9a-f]{12}, now [0-9a-f]{12}$/,
        async () => {
          tick('drafts');
          tick('app.logs');
          await sql('alter table app.logs add note text');
        },
      ],
      [
        'from a file that is not a proposal',
        'bad-options',
        /^proposal\.md is not a proposal\. It has no box/,
        () => project.write('proposal.md', '- [x] drafts\n'),
      ],
      [
        'if approvals.json cannot be used',
        'bad-options',
        /approvals\.json cannot be used\. It is not JSON/,
        () => {
          tick('drafts');
          project.write('approvals.json', '{');
        },
      ],
    ];
    for (const [title, code, words, prepare] of cases)
      it(title, async () => {
        await prepare();
        const before = project.list('.').includes('approvals.json')
          ? project.read('approvals.json')
          : undefined;
        const { message, reason } = await refusalOf(approve(), code);
        expect(`${message} ${reason}`).to.match(words);
        expect(project.list('.').includes('approvals.json')).to.equal(before !== undefined);
        if (before !== undefined) expect(project.read('approvals.json')).to.equal(before);
      });

    it('from a file that cannot be read', async () => {
      for (const file of ['gone.md', 'migrations']) {
        const error = await refusalOf(approve('Ada', file), 'bad-options');
        expect(error.message).to.equal(`${file} is not a proposal.`);
        expect(error.reason).to.match(/^(ENOENT|EISDIR)/);
      }
      expect(project.list('.')).not.to.include('approvals.json');
    });
  });

  it('ignores a box that is not ticked, whatever it names', async () => {
    tick('drafts');
    await sql('alter table app.logs add note text');
    change('[ ] `"a ', '[ ] `gone');
    const { approved, notApproved } = await approve();
    expect(tables(approved)).to.deep.equal(['drafts']);
    expect(tables(notApproved)).to.deep.equal(['app.logs']);
  });
});

describe('approvals.json', () => {
  const project = useProject();

  const read = () => readApprovalsFile(project.path('approvals.json'));
  const good = { fingerprint: '0123abcd', by: null, note: 'go', at: '2026-01-02T03:04:05Z' };

  it('gives approvals by table; none if it does not exist', () => {
    expect(read()).to.deep.equal({});
    project.write('approvals.json', JSON.stringify({ a: good }));
    expect(read()).to.deep.equal({ a: good });
  });

  const cases: [string, string, RegExp][] = [
    ['text that is not JSON', '{ "a": ', /^It is not JSON: /],
    ...['[]', 'null', '1', '"a"'].map((text): [string, string, RegExp] => [
      `the JSON value ${text}`,
      text,
      /^It is not a JSON object with table names as keys\.$/,
    ]),
    ...(
      [
        ['fingerprint', '0123abc', '8 to 12 hexadecimal digits'],
        ['fingerprint', '0123456789abc', '8 to 12 hexadecimal digits'],
        ['fingerprint', '0123ABCD', '8 to 12 hexadecimal digits'],
        ['fingerprint', 12345678, '8 to 12 hexadecimal digits'],
        ['at', 'soon', 'a time'],
        ['at', null, 'a time'],
        ['by', 1, 'a string or null'],
        ['by', undefined, 'a string or null'],
        ['by', 'a\0b', 'a string or null'],
        ['note', {}, 'a string or null'],
      ] as const
    ).map(([key, value, words]): [string, string, RegExp] => [
      `${key}: ${JSON.stringify(value)}`,
      JSON.stringify({ b: good, a: { ...good, [key]: value } }),
      new RegExp(`^"a": ${key} must be ${words}$`),
    ]),
    ['an unknown key', JSON.stringify({ a: { ...good, more: 1 } }), /^"a": unknown key more$/],
    [
      'all mistakes of a table without an approval',
      '{ "a": null }',
      /^"a": fingerprint must .*\n"a": at must .*\n"a": by must .*\n"a": note must .*$/,
    ],
  ];
  for (const [title, text, reason] of cases)
    it(`is refused for ${title}`, async () => {
      project.write('approvals.json', text);
      const error = await refusalOf((async () => read())(), 'bad-options');
      expect(error.message).to.equal(`The approvals file ${project.path('approvals.json')} cannot be used.`);
      expect(error.reason).to.match(reason);
    });

  it('is refused if it cannot be read', async () => {
    project.write('approvals.json/file', '');
    const error = await refusalOf((async () => read())(), 'bad-options');
    expect(error.reason).to.match(/^EISDIR/);
  });
});
