import type { Audit, TableAudit } from '../audit/audit.ts';
import { describeRows } from '../audit/ghost-rules.ts';
import { meanings, nameOf, sign } from '../audit/report.ts';
import type { Verdict } from '../audit/verdict.ts';
import { countOf, size } from '../text/units.ts';
import { type Content, type Html, html } from './html.ts';
import type { Section } from './page.ts';
import { badge, bullets, folded, grouped, name, nameList } from './parts.ts';

/** The sections on tables and code: every table with its verdict and evidence, and the result of the code search. */
export function auditSections(audit: Audit): Section[] {
  const sections: Section[] = [
    { id: 'tables', title: 'Tables', body: [warnings(audit), controls(), tables(audit)] },
  ];
  if (audit.code !== null) sections.push({ id: 'code', title: 'Code', body: codeBody(audit.code) });
  return sections;
}

/** The filter form. It is hidden until the script of the page shows it. */
function controls(): Html {
  return html`<form class="filter" hidden role="search">
<input type="search" name="text" placeholder="Search names, comments, evidence" aria-label="Search the tables" autocomplete="off" spellcheck="false">
<select name="verdict" aria-label="Verdict"><option value="">every verdict</option>${meanings.map(([verdict]) => html`<option>${verdict}</option>`)}</select>
<select name="rows" aria-label="Rows"><option value="">empty or not</option><option value="empty">empty</option><option value="filled">with rows</option></select>
<button type="reset">Reset</button>
<output aria-live="polite"></output>
</form>
`;
}

function tables(audit: Audit): Html {
  return html`<div class="scroll"><table class="tables">
<thead><tr><th scope="col">table</th><th scope="col" class="number">rows</th><th scope="col" class="number">size</th><th scope="col">reason and evidence</th></tr></thead>
${meanings.map(([verdict, meaning]) => group(verdict, meaning, audit))}</table></div>`;
}

function group(verdict: Verdict, meaning: string, audit: Audit): Html | null {
  const found = audit.tables.filter((table) => table.verdict === verdict);
  if (found.length === 0) return null;
  return html`<tbody>
<tr class="group"><th scope="rowgroup" colspan="4">${badge(verdict)} <b>${found.length}</b> <span>${meaning}</span></th></tr>
${found.map(row)}</tbody>
`;
}

function row(table: TableAudit): Html {
  const { evidence, empty, rows, verdict } = table;
  const content = empty === null ? 'unknown' : empty ? 'empty' : 'filled';
  return html`<tr data-verdict="${verdict}" data-rows="${content}"><th scope="row">${name(nameOf(table))}${evidence.comment === null ? null : html`<p>${evidence.comment}</p>`}</th><td class="number">${rows === null ? '?' : `${evidence.rowsEstimated ? '~' : ''}${grouped(rows)}`}</td><td class="number">${size(evidence.bytes)}</td><td>${folded(summaryOf(table), evidenceOf(table))}</td></tr>
`;
}

/** The reason; for a table with rows, the number of rows and of the objects that reference it. */
function summaryOf({ empty, rows, why, evidence }: TableAudit): string {
  if (empty !== false || rows === null) return why;
  const { foreignKeysIn, views, functions } = evidence;
  const users = [
    count(foreignKeysIn, 'foreign key'),
    count(views, 'view'),
    count(functions, 'function'),
  ].flat();
  return `has ${describeRows(rows, evidence.rowsEstimated)}${users.length === 0 ? '' : `; referenced by ${users.join(', ')}`}`;
}

function count(names: readonly string[], word: string): string[] {
  return names.length === 0 ? [] : [countOf(names.length, word)];
}

function evidenceOf({ rules, evidence }: TableAudit): Html {
  const { usage } = evidence;
  const named: [string, readonly string[]][] = [
    ['foreign keys to it', evidence.foreignKeysIn],
    ['its foreign keys', evidence.foreignKeysOut],
    ['views', evidence.views],
    ['functions', evidence.functions],
    ['triggers', evidence.triggers],
    ['policies', evidence.policies],
    ['publications', evidence.publications],
    ['other objects', evidence.others],
    ['code', (evidence.code ?? []).map(({ file, line, how }) => `${file}:${line} (${how})`)],
  ];
  return html`<ul class="rules">${rules.map(({ rule, holds, found }) => html`<li class="${holds === null ? 'open' : holds ? 'holds' : 'fails'}"><span>${sign(holds)}</span> <b>${rule}</b> ${found}</li>`)}</ul>
<dl>${named.map(([title, names]) => (names.length === 0 ? null : html`<dt>${title}</dt><dd>${nameList(names, most)}</dd>`))}<dt>owner</dt><dd>${name(evidence.owner)}</dd>${usage === null ? null : html`<dt>scans</dt><dd>index: ${usage.indexReads ?? 'unknown'}; sequential (including backups): ${usage.tableReads ?? 'unknown'}</dd>`}</dl>`;
}

/** The most names listed for one kind of reference. */
const most = 20;

function warnings(audit: Audit): Content {
  return audit.warnings.map((warning) => html`<p class="warning">${warning}</p>`);
}

function codeBody({ roots, files, missing, unnamed }: NonNullable<Audit['code']>): Content {
  return [
    html`<p>${files} files searched in ${nameList(roots, most)}.</p>`,
    html`<h3>In the code but not in the database: ${missing.length}</h3>`,
    bullets(
      missing.map(({ name: relation, file, line }) => html`${name(relation)} ${name(`${file}:${line}`)}`),
    ),
    html`<h3>In the database but not in the code: ${unnamed.length}</h3>`,
    bullets(unnamed.map(name)),
  ];
}
