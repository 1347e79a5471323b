import { identifier } from '../options/table-name.ts';
import { code, folded, markdownTable } from '../text/markdown.ts';
import { oneLine } from '../text/one-line.ts';
import { align, wrap } from '../text/terminal.ts';
import { moment, size } from '../text/units.ts';
import type { Audit, TableAudit } from './audit.ts';
import { describeRows } from './ghost-rules.ts';
import type { Verdict } from './verdict.ts';

export const meanings: readonly [Verdict, string][] = [
  ['candidate', 'empty, unreferenced, and looks obsolete'],
  ['ask', 'empty and unreferenced; not enough further evidence'],
  ['keep', 'has rows, is referenced, or is kept by a decision'],
];

/** Formats an audit for a terminal. */
export function formatAudit(audit: Audit): string {
  const lines = [...wrap('', headline(audit)), ...wrap('', countingLine(audit)), ''];
  for (const [verdict, meaning] of meanings) {
    const tables = audit.tables.filter((table) => table.verdict === verdict);
    lines.push(`${verdict}: ${tables.length} (${meaning})`);
    lines.push(...(verdict === 'keep' ? shortLines(tables) : tables.flatMap(longLines)), '');
  }
  lines.push(...codeLines(audit));
  for (const warning of audit.warnings) lines.push(...wrap('warning: ', warning, 2));
  return `${lines.join('\n').trimEnd()}\n`;
}

function headline({ database, counts }: Audit): string {
  return `${database}: ${counts.tables} tables, ${counts.empty} empty`;
}

export function countingLine({ counting }: Audit): string {
  return counting.since === null
    ? `Writes and reads are not counted on ${counting.server}: ${counting.reason}.`
    : `Writes and reads have been counted since ${moment(counting.since)} on ${counting.server}.`;
}

function longLines(table: TableAudit): string[] {
  const { rules, evidence } = table;
  const { comment } = evidence;
  return [
    ...wrap('  ', `${nameOf(table)}  ${size(evidence.bytes)}`),
    ...align(
      [
        ...(comment === null ? [] : [['', 'comment', oneLine(comment)]]),
        ...rules.map(({ rule, holds, found }) => [sign(holds), rule, found]),
        ...describeUsage(table).map((line) => ['', 'scans', line]),
      ],
      '    ',
    ),
  ];
}

export function sign(holds: boolean | null): string {
  return holds === null ? '?' : holds ? '+' : '-';
}

function describeUsage({ evidence: { usage } }: TableAudit): string[] {
  if (usage === null) return [];
  const times = (count: number | null, last: string | null) =>
    `${count ?? 'unknown'}${last === null ? '' : `, last ${moment(last)}`}`;
  return [
    `index: ${times(usage.indexReads, usage.lastIndexRead)}; sequential (including backups): ` +
      times(usage.tableReads, usage.lastTableRead),
  ];
}

/** Name, rows, size and reason in columns. A long name takes a line of its own. */
function shortLines(tables: readonly TableAudit[]): string[] {
  const cells = tables.map((table) => [
    nameOf(table),
    table.rows === null ? '?' : `${table.evidence.rowsEstimated ? '~' : ''}${table.rows}`,
    size(table.evidence.bytes),
    // The reason is omitted for a table with rows.
    table.empty === false && table.rows !== null ? '' : table.why,
  ]);
  return align(cells, '  ', [{ most: 40 }, { right: true }, { right: true }]);
}

function codeLines({ code: search }: Audit): string[] {
  if (search === null) return [];
  const missing = search.missing.flatMap(({ name, file, line }) => wrap('  ', `${name}  ${file}:${line}`, 4));
  const unnamed = search.unnamed.flatMap((name) => wrap('  ', name, 4));
  return [
    ...wrap('', `code: ${search.files} files in ${search.roots.join(', ')}`),
    `missing tables that SQL in the code names: ${search.missing.length}`,
    ...missing,
    `tables that the code does not name: ${search.unnamed.length}`,
    ...unnamed,
    '',
  ];
}

export function nameOf({ schema, name }: Pick<TableAudit, 'schema' | 'name'>): string {
  return schema === 'public' ? identifier(name) : `${identifier(schema)}.${identifier(name)}`;
}

/** Formats an audit as a comment on a pull request: candidates first, kept tables folded. */
export function formatAuditMarkdown(audit: Audit): string {
  const { counts } = audit;
  const lines = [
    `### Tables of ${code(audit.database)}: ${counts.tables}, of which ${counts.empty} are empty`,
    '',
    code(countingLine(audit)),
    '',
  ];
  for (const [verdict, meaning] of meanings) {
    const tables = audit.tables.filter((table) => table.verdict === verdict);
    const table = tableOf(tables, verdict !== 'keep');
    const title = `${verdict}: ${tables.length} (${meaning})`;
    if (tables.length === 0) lines.push(`**${title}**`, '');
    else if (verdict === 'keep') lines.push(...folded(title, table));
    else lines.push(`**${title}**`, '', ...table, '');
  }
  if (audit.code !== null) {
    const { missing, unnamed } = audit.code;
    lines.push(
      ...folded(
        `In the code but not in the database: ${missing.length}`,
        missing.map(({ name, file, line }) => `- ${code(name)} ${code(`${file}:${line}`)}`),
      ),
      ...folded(
        `In the database but not in the code: ${unnamed.length}`,
        unnamed.map((name) => `- ${code(name)}`),
      ),
    );
  }
  for (const warning of audit.warnings) lines.push(`- warning: ${code(warning)}`);
  return `${lines.join('\n').trimEnd()}\n`;
}

function tableOf(tables: readonly TableAudit[], withRules: boolean): string[] {
  const head = ['table', 'rows', 'size', ...(withRules ? ['evidence'] : ['why'])];
  const rows = tables.map((table) => [
    code(nameOf(table)),
    describeRows(table.rows, table.evidence.rowsEstimated).replace(/ rows?$/, ''),
    size(table.evidence.bytes),
    withRules
      ? table.rules.map(({ holds, found }) => `${sign(holds)} ${code(found)}`).join('<br>')
      : code(table.why),
  ]);
  return markdownTable(head, rows);
}
