import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import createKnex from 'knex';
import type { Browser } from 'playwright-core';
import { seed } from '../seeds/01_turing.ts';
import { legacyTables, optionalTables } from '../seeds/turing/names.ts';
import { migrationsIn } from '../src/migration/migrations.ts';
import { identifier } from '../src/options/table-name.ts';
import type { Graph, Subject } from '../src/report/graph.ts';
import { html } from '../src/report/html.ts';
import { type LayOut, loadLayout, writeDot } from '../src/report/layout-graph.ts';
import { formatReportMarkdown } from '../src/report/markdown.ts';
import { findNeighbourhoods } from '../src/report/neighbourhoods.ts';
import {
  formatAuditHtml,
  formatPreflightHtml,
  formatReportHtml,
  formatVerificationHtml,
} from '../src/report/pages.ts';
import { drawPicture } from '../src/report/picture.ts';
import { type Report, type ReportOptions, readReport } from '../src/report/read-report.ts';
import { quietly } from '../src/text/log.ts';
import { printable } from '../src/text/printable.ts';
import { formatVerificationMarkdown } from '../src/verify/format.ts';
import { findChromium, openPage, startBrowser } from './support/browser.ts';
import { clusters } from './support/clusters.ts';
import { name as anyName } from './support/hostile-names.ts';
import { withEnvironment } from './support/migrate.ts';
import { makeProject, type Project } from './support/project.ts';
import { skip } from './support/skip.ts';
import { packageUrl } from './support/small-project.ts';
import { useServer } from './support/use-database.ts';

const root = dirname(import.meta.dirname);

/** Names that try to run a script, to end an element, an attribute, a comment, a cell or a line, or to reverse text. */
const hostile = [
  '<script>window.ran = 1</script>',
  '"><img src=x onerror=window.ran=1>',
  "' onload='window.ran=1",
  '</title></style></script><svg onload=window.ran=1>',
  ']]>--><b>bold</b>',
  '&lt;i&gt; &amp; &#0;',
  '`|</details><h1>x',
  '\\u003cb\\u003e\\x3c',
  '"]; n0 -> n1 [label=<<b>x</b>>, URL="javascript:1"]; "',
  '\u202edlrow\u202c \u2066x',
  'a\nb\r\n\u001b[31m\u2028c',
  '\\N\\G\\E\\l\\"',
];

describe('report', () => {
  const server = useServer();
  let layOut: LayOut;
  let folder: string;
  let seeded: string;
  let turing: Report;
  const made: string[] = [];

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-report-'));
    const loaded = await loadLayout();
    if (loaded === undefined) throw new Error('Graphviz is not installed');
    layOut = loaded;
    seeded = await database();
    const knex = createKnex({ client: 'pg', connection: server.config(seeded) });
    await seed(knex).finally(() => knex.destroy());
    const app = join(folder, 'app');
    mkdirSync(app);
    writeFileSync(join(app, 'run.py'), 'db.run("select * from workflow_runs")\n');
    turing = await read(seeded, { code: [app] });
  });

  after(async () => {
    for (const name of made) await server.dropDatabase(name);
    rmSync(folder, { recursive: true });
  });

  async function database(sql?: string): Promise<string> {
    const { name } = await server.createDatabase();
    made.push(name);
    if (sql !== undefined) await server.sql(name, sql);
    return name;
  }

  async function read(name: string, options: Partial<ReportOptions> = {}, env = {}): Promise<Report> {
    const knex = createKnex({ client: 'pg', connection: server.config(name) });
    const asked = { root, project: migrationsIn(join(root, 'migrations')), expect: undefined, ...options };
    const none = { UNDROP_BACKUP: 'off', APPROVED_DROPS: '' };
    return withEnvironment({ ...none, ...env }, () => quietly(() => readReport(knex, asked))).finally(() =>
      knex.destroy(),
    );
  }

  /** Creates a folder with one migration that drops these tables and their dependent objects. */
  function dropping(...tables: string[]): string {
    const migrations = mkdtempSync(join(folder, 'migrations-'));
    const options = { name: '001_drop', tables, dependents: 'cascade', rows: 'copy' };
    writeFileSync(
      join(migrations, '001_drop.mjs'),
      `import { reversibleDrop } from ${JSON.stringify(packageUrl)};
       export const { up, down, ready } = reversibleDrop(${JSON.stringify(options)});`,
    );
    return migrations;
  }

  const page = (report: Report) => formatReportHtml(report, layOut);
  const picturesOf = (text: string) => [...text.matchAll(/<svg role="img"[\s\S]*?<\/svg>/g)].map(String);

  describe('of the seeded database', () => {
    it('searches the code for dropped tables too', () => {
      const check = turing.checks.find(({ name }) => name === 'code names no dropped table');
      expect(check).to.include({ state: 'not checked' });
    });

    it('has the sections that each command prints as HTML', () => {
      const checked = { database: 'turing', checks: turing.checks };
      const pages = [
        formatAuditHtml(turing.audit),
        formatPreflightHtml(turing),
        formatVerificationHtml(checked),
      ];
      for (const [index, id] of ['tables', 'preflight', 'verify'].entries())
        expect(pages[index]).to.include(`<section id="${id}"`);
      expect(formatVerificationMarkdown(checked)).to.include('| views can be parsed | ok | `public.model');
    });

    it('compares the state before and after, as the proposal does', () => {
      const stages = turing.impact.map(({ migration, tables, empty }) => [migration, tables, empty]);
      expect(stages).to.deep.equal([
        [null, 74, 23],
        ['044_cleanup_legacy_tables', 68, 17],
        ['045_cleanup_optional_tables', 65, 14],
      ]);
      for (const text of [page(turing), formatReportMarkdown(turing)])
        expect(text).to.include('23 (31 %)').and.include('17 (25 %)').and.include('14 (22 %)');
      const [now, after] = turing.impact;
      expect(now?.bytes).to.equal((after?.bytes ?? 0) + (after?.saved ?? 0));
      expect(after?.saved).to.be.above(0);
    });

    it('draws the tables to be dropped, with the tables that they reference', () => {
      const pictures = picturesOf(page(turing)).join('');
      for (const name of [...legacyTables, ...optionalTables, 'postings', 'profiles'])
        expect(pictures).to.include(`>${name}</text>`);
      const runs = turing.graph.subjects.find(({ table }) => table === 'public.production_runs');
      expect(runs).to.include({ fate: 'goes', migration: '044_cleanup_legacy_tables', rows: '0 rows' });
      expect(runs?.refersTo.map(({ table }) => table)).to.deep.equal(['public.postings']);
      expect(runs?.own).to.deep.include({ kind: 'index', count: 4 });
    });

    it('shows what is approved and what is not, and how to approve it', async () => {
      const report = await read(seeded, {}, { APPROVED_DROPS: 'organizations' });
      const text = page(report);
      expect(text).to.include('2 of 3 tables are not approved');
      expect(text).to.match(/<pre class="copy">APPROVED_DROPS=interaction_lineage@[0-9a-f]{12},<wbr>/);
      expect(report.impact.at(-1)).to.include({ tables: 67, empty: 16 });
    });

    it('replaces the pictures by text without Graphviz', () => {
      const text = formatReportHtml(turing, undefined);
      expect(picturesOf(text)).to.deep.equal([]);
      expect(text)
        .to.include('npm install --save-dev @hpcc-js/wasm-graphviz')
        .and.include('its foreign keys: ');
    });

    it('keeps the line breaks of the DDL', () => {
      const [, ddl = ''] = /<pre>([\s\S]*?)<\/pre>/.exec(page(turing)) ?? [];
      expect(ddl).to.match(/^create table public\.production_runs \(\n {2}production_run_id integer/m);
      expect(ddl).not.to.include('\\u000a');
    });

    it('contains nothing that requires a more permissive policy', () => {
      const text = page(turing);
      expect(text).to.match(
        /content="default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+';/,
      );
      expect(text).not.to.match(/ style=| on[a-z]+=|<link|<img|url\(|@import|https?:\/\//);
    });

    it('is Markdown for a pull request, with text for the pictures', () => {
      const text = formatReportMarkdown(turing);
      expect(text).to.match(/^## Report on `undrop_test_\w+`, \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/m);
      expect(text).to.match(
        /^- `public\.production_runs` \(to be dropped\): 0 rows, 4 indexes, .*; its foreign keys: `/m,
      );
      expect(text).to.include('| views can be parsed | ok |').and.include('**candidate: 6');
      expect(text).not.to.include('<svg');
    });
  });

  describe('the graph', () => {
    let graph: Graph;
    let going: Subject | undefined;

    before(async () => {
      const name = await database(`
        create table kept (id int primary key);
        create table going (id serial primary key, kept_id int references kept, name text unique);
        create index on going (name);
        create table pointing (going_id int references going, again int constraint again references going);
        create view direct as select * from going;
        create view indirect as select * from direct;
        create function counted() returns bigint language sql as 'select count(*) from going';
        create function touch() returns trigger language plpgsql as 'begin return new; end';
        create trigger touched before update on going for each row execute function touch();
        create table parted (id int) partition by range (id);
        create table parted_1 partition of parted for values from (1) to (2);
        ${Array.from({ length: 40 }, (_, index) => `create table of_kept_${index} (id int references kept);`).join('')}`);
      graph = (await read(name, { project: migrationsIn(dropping('going', 'parted')) })).graph;
      going = graph.subjects.find(({ table }) => table === 'public.going');
    });

    it('counts the own objects of a table', () => {
      expect(going?.own).to.deep.equal([
        { kind: 'index', count: 3 },
        { kind: 'sequence', count: 1 },
        { kind: 'trigger', count: 1 },
      ]);
      const parted = graph.subjects.find(({ table }) => table === 'public.parted');
      expect(parted?.own).to.deep.equal([{ kind: 'partition', count: 1 }]);
      expect(graph.subjects.map(({ table }) => table)).not.to.include('public.parted_1');
    });

    it('finds dependent objects, and their dependencies', () => {
      expect(going?.along).to.deep.equal([
        { kind: 'view', identity: 'public.direct' },
        { kind: 'view', identity: 'public.indirect' },
      ]);
      expect(graph.needs).to.deep.equal([
        { from: 'view public.direct', to: 'public.going' },
        { from: 'view public.indirect', to: 'view public.direct' },
      ]);
      expect(going?.inText).to.deep.equal(['function public.counted()']);
    });

    it('has foreign keys as edges, and one edge for several of them', () => {
      expect(going?.referredBy.map(({ table }) => table)).to.deep.equal([
        'public.pointing',
        'public.pointing',
      ]);
      const [first] = findNeighbourhoods(graph);
      const edges = first?.edges.filter(({ from }) => from === 'public.pointing') ?? [];
      expect(edges).to.have.length(1);
      expect(edges[0]).to.include({ to: 'public.going', lost: true });
      expect(edges[0]?.title).to.include('again on public.pointing');
    });

    it('cuts texts shorter if the boxes would not fit on a page', () => {
      const long = `public.${'long_'.repeat(12)}`;
      const chain = Array.from({ length: 4 }, (_, index) => ({
        id: `${index}`,
        name: `${index}${long}`,
        note: '',
      }));
      const drawn = {
        migration: null,
        subjects: [],
        nodes: chain.map((node) => ({ ...node, fate: 'stays' as const })),
        edges: [0, 1, 2].map((index) => ({ from: `${index}`, to: `${index + 1}`, lost: false, title: '' })),
      };
      const { text } = drawPicture(drawn, '', layOut);
      expect(Number(/width="(\d+)"/.exec(text)?.[1])).to.be.below(1100);
      expect(text).to.include(`>0${long}: </title>`).and.include('>0public.long_long_lon…</text>');
    });

    it('is not joined by a table that many reference', () => {
      for (const { nodes, subjects } of findNeighbourhoods(graph)) {
        expect(nodes.length).to.be.at.most(26);
        for (const { table } of subjects) expect(nodes.map(({ id }) => id)).to.include(table);
      }
    });
  });

  it('has readable pictures for a thousand tables, and lists what they leave out', async () => {
    const name = await database(clusters(1000));
    const views = Array.from({ length: 30 }, (_, index) => `create view v${index} as select * from hub_0`);
    await server.sql(name, views.join(';'));
    const report = await read(name, { project: migrationsIn(dropping('hub_0')) });
    const text = page(report);
    const pictures = picturesOf(text);
    expect(pictures.length).to.be.within(2, 12);
    expect(pictures.join('').length).to.be.below(300_000);
    for (const picture of pictures) {
      const [, width, height] = /width="(\d+)" height="(\d+)"/.exec(picture) ?? [];
      expect(Number(width)).to.be.below(1100);
      expect(Number(height)).to.be.below(2000);
    }
    expect(pictures[0]).to.include('and 25 more').and.include('and 19 more').and.include('>hub_0</text>');
    expect(text).to.match(/\d+ more tables are in no picture; the list of tables has them/);
    expect(text.length).to.be.below(3_000_000);
    expect(formatReportMarkdown(report)).to.match(/^- and \d+ more$/m);
  });

  describe('with hostile names', () => {
    let report: Report;
    let names: string[];

    before(async () => {
      const more = fc.sample(anyName, { numRuns: 25, seed: 8 });
      names = [...new Set([...hostile.map((one) => one.slice(0, 60)), ...more])];
      const quoted = names.map((one) => `"${one.replaceAll('"', '""')}"`);
      const texts = names.map((one) => `'${one.replaceAll("'", "''")}'`);
      const first = quoted[0];
      const name = await database(`
        set standard_conforming_strings = on;
        ${quoted.map((table) => `create table ${table} (id int primary key, other int references ${first});`).join('')}
        ${quoted.map((table, index) => `comment on table ${table} is ${texts[index]};`).join('')}
        create view ${quoted[0]?.replace('script', 'view')} as select * from ${first};`);
      const code = join(folder, 'code');
      mkdirSync(code);
      writeFileSync(join(code, '<img src=x onerror=window.ran=1>.sql'), 'select * from "<i>gone";');
      report = await read(name, { project: migrationsIn(dropping(first ?? '')), code: [code] });
    });

    it('shows each name as text, not as markup', () => {
      const text = page(report);
      expect(text.match(/<tr data-verdict=/g)).to.have.length(names.length);
      for (const tag of ['<script>', '<style>', '</html>', '<h1>'])
        expect(text.split(tag), tag).to.have.length(2);
      expect(text).not.to.match(/<(img|b>bold|i>)/);
      for (const one of names) expect(text).to.include(html`<code>${identifier(one)}</code>`.text);
    });

    it('passes only numbers to Graphviz', () => {
      for (const drawn of findNeighbourhoods(report.graph)) {
        const dot = writeDot(drawn, { width: 200, height: 44 });
        expect(dot).to.match(/^[a-zA-Z0-9 \n[\]{}=,.>-]+$/);
        expect(
          dot.replaceAll(/n\d+( -> n\d+)?( \[(number=\d+|style=invis)\])?\n/g, '').split('\n'),
        ).to.have.length(5);
      }
    });

    it('escapes them in Markdown', () => {
      // The fence of the DDL block is longer than any fence within it.
      const text = formatReportMarkdown(report).replace(/^(`{3,})sql\n[\s\S]*?\n\1$/m, '');
      const outside = text.replaceAll(/`[^`\n]*`/g, '');
      expect(outside).not.to.match(/window|<(?!\/?(details|summary|br)>)|\p{Cf}/u);
    });
  });

  describe('as a command', () => {
    let project: Project;
    let env: Record<string, string>;

    before(() => {
      project = makeProject();
      env = { DATABASE_URL: server.url(seeded) };
    });

    after(() => project.remove());

    it('writes a file, always ends with 0, and overwrites only with --force', async () => {
      const file = join(project.folder, 'reports/turing.html');
      const first = await project.undropWith(['report', '--out', file, '--expect', '73'], { env });
      expect(first).to.include({ status: 0, stdout: `${file}\n` });
      const text = readFileSync(file, 'utf8');
      // With these, preflight ends with 3 and verify with 1.
      expect(text).to.include('backup-missing').and.include('74 in public; expected 73');

      const [again, forced] = await Promise.all([
        project.undropWith(['report', '--out', file], { env }),
        project.undrop('report --json --force --out other/report.json', { env }),
      ]);
      expect(again).to.include({ status: 3, stdout: '' });
      expect(again.stderr).to.match(/^name-taken: .*\n {2}why: .*\n {2}next: .*--force\.$/m);
      expect(forced).to.include({ status: 0, stdout: 'other/report.json\n' });
      const found = JSON.parse(readFileSync(join(project.folder, 'other/report.json'), 'utf8'));
      expect(found).to.include({ formatVersion: 1, command: 'report', database: seeded });
    });

    it('is printed as HTML by preflight and verify, with their own exit codes', async () => {
      const [preflight, verify] = await Promise.all([
        project.undrop('preflight --format html', { env }),
        project.undrop('verify --format html --expect 73', { env }),
      ]);
      expect(preflight).to.have.property('status', 3);
      expect(verify).to.have.property('status', 1);
      for (const { stdout } of [preflight, verify])
        expect(stdout).to.match(/^<!doctype html>\n[\s\S]*<\/html>\n$/);
    });
  });

  describe('in a browser', () => {
    let browser: Browser;
    let file: string;

    before(async function () {
      const chromium = findChromium();
      if (chromium === undefined) skip(this, 'no chromium in PATH');
      browser = await startBrowser(chromium);
      file = join(folder, 'turing.html');
      writeFileSync(file, page(turing));
    });

    after(() => browser?.close());

    it('opens from disk, requests nothing, and filters', async () => {
      const { page: shown, troubles } = await openPage(browser, file);
      const visible = () => shown.locator('#tables tr[data-verdict]:visible').count();
      const count = () => shown.locator('output').textContent();
      expect(await visible()).to.equal(74);
      await shown.selectOption('select[name=verdict]', 'candidate');
      expect(await visible()).to.equal(legacyTables.length);
      await shown.fill('input[name=text]', 'RECIPE key');
      expect(await visible()).to.equal(2);
      expect(await count()).to.equal('2 of 74 tables');
      await shown.click('button[type=reset]');
      await shown.selectOption('select[name=rows]', 'empty');
      expect(await visible()).to.equal(23);
      for (const name of legacyTables)
        expect(await shown.locator('svg text', { hasText: name }).count(), name).to.be.above(0);
      expect(troubles).to.deep.equal([]);
      await shown.close();
    });

    it('is complete without scripts, also on a narrow screen', async () => {
      const context = { javaScriptEnabled: false, viewport: { width: 400, height: 800 } };
      const { page: shown } = await openPage(browser, file, context);
      expect(await shown.locator('#tables tr[data-verdict]:visible').count()).to.equal(74);
      expect(await shown.locator('form.filter').isVisible()).to.equal(false);
      const { width } = (await shown.locator('html').boundingBox()) ?? {};
      expect(width).to.equal(400);
      await shown.close();
    });

    for (const width of [400, 1400]) {
      it(`fits on a screen of ${width} pixels`, async () => {
        const { page: shown } = await openPage(browser, file, { viewport: { width, height: 800 } });
        await shown.evaluate(`document.querySelectorAll('details').forEach((one) => { one.open = true; })`);
        expect(await shown.evaluate('document.documentElement.scrollWidth')).to.equal(width);
        await shown.close();
      });
    }

    it('has light, dark and print styles', async () => {
      const { page: shown } = await openPage(browser, file, { colorScheme: 'light' });
      const colour = (selector: string, property: string) =>
        shown.evaluate(`getComputedStyle(document.querySelector('${selector}')).${property}`);
      const colours = async () => [
        await colour('body', 'backgroundColor'),
        await colour('.node.goes rect', 'fill'),
      ];
      const light = await colours();
      await shown.emulateMedia({ colorScheme: 'dark' });
      const dark = await colours();
      expect(light[0]).to.equal('rgb(255, 255, 255)');
      expect(dark[0]).not.to.equal(light[0]);
      expect(dark[1]).not.to.equal(light[1]);
      await shown.emulateMedia({ media: 'print', colorScheme: 'dark' });
      expect(await colours()).to.deep.equal(light);
      expect(await shown.locator('nav').isVisible()).to.equal(false);
      expect(await shown.locator('#preflight pre').first().isVisible()).to.equal(true);
      const pdf = await shown.pdf({ format: 'A4' });
      expect(pdf.subarray(0, 5).toString()).to.equal('%PDF-');
      await shown.close();
    });

    it('shows hostile names without running them', async () => {
      const name = await database();
      await server.sql(
        name,
        hostile
          .map((one) => {
            const table = `"${one.slice(0, 60).replaceAll('"', '""')}"`;
            return `create table ${table} (); comment on table ${table} is '${one.replaceAll("'", "''")}'`;
          })
          .join(';'),
      );
      const hostileFile = join(folder, 'hostile.html');
      writeFileSync(hostileFile, page(await read(name)));
      const { page: shown, troubles } = await openPage(browser, hostileFile);
      const comments = await shown.locator('#tables th p').allTextContents();
      expect(comments).to.have.members(hostile.map(printable));
      const drawn = (await shown.locator('svg .node title').allTextContents()).join('\n');
      for (const one of hostile) expect(drawn).to.include(printable(one.slice(0, 60).replaceAll('"', '""')));
      expect(await shown.evaluate('window.ran')).to.equal(undefined);
      expect(troubles).to.deep.equal([]);
      await shown.close();
    });
  });
});
