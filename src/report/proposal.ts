import type { TableAudit } from '../audit/audit.ts';
import { countingLine, meanings, nameOf } from '../audit/report.ts';
import { parseTableName } from '../options/table-name.ts';
import type { MigrationPreflight, PlannedTable } from '../preflight/preflight.ts';
import { commandLine } from '../text/command-line.ts';
import { code, fenced, markdownTable } from '../text/markdown.ts';
import { countOf, moment, size } from '../text/units.ts';
import { withShare } from './impact.ts';
import { impactTable } from './impact-table.ts';
import type { Report } from './read-report.ts';

/**
 * Formats the report as a proposal to drop tables, with a box to tick for each table that needs an approval.
 * `undrop approve` reads the boxes.
 *
 * @param file where the proposal is kept, for its commands
 */
export function formatProposal(report: Report, file: string): string {
  const { database, madeAt, role, audit } = report;
  const pending = report.migrations.filter(({ state }) => state !== 'done');
  const lines = [
    `# Proposal to drop tables of ${code(database)}`,
    '',
    `Written on ${moment(madeAt)} as ${code(role)}. ${code(countingLine(audit))}`,
    '',
    ...currentState(report),
    ...emptyTables(audit.tables, pending),
    ...recommendations(audit.tables, pending),
    ...approvals(pending, file),
    ...storageImpact(report),
    ...plan(audit.tables, pending, file),
  ];
  return `${lines.join('\n').trimEnd()}\n`;
}

function currentState({ audit }: Report): string[] {
  const { tables, empty } = audit.counts;
  const bytes = audit.tables.reduce((sum, { evidence }) => sum + evidence.bytes, 0);
  return [
    '## Current state',
    '',
    `- ${countOf(tables, 'table')}, ${size(bytes)} with indexes`,
    `- ${withShare(empty, tables)} of them empty`,
    ...audit.warnings.map((warning) => `- warning: ${code(warning)}`),
    '',
  ];
}

type Pending = readonly MigrationPreflight[];

function emptyTables(tables: readonly TableAudit[], pending: Pending): string[] {
  const empty = tables.filter((table) => table.empty === true);
  const isDecided = ({ evidence }: TableAudit) => evidence.decision?.decision === 'keep';
  const kept = empty.filter(({ verdict }) => verdict === 'keep');
  const categories: [string, TableAudit[]][] = [
    ...meanings
      .filter(([verdict]) => verdict !== 'keep')
      .map(([verdict, meaning]): [string, TableAudit[]] => [
        `${verdict === 'candidate' ? 'Candidates' : 'Questions'}: ${meaning}`,
        empty.filter((table) => table.verdict === verdict),
      ]),
    ['Kept by a decision', kept.filter(isDecided)],
    ['Kept because they are in use', kept.filter((table) => !isDecided(table))],
  ];
  return [
    `## Empty tables by category`,
    '',
    ...categories
      .filter(([, found]) => found.length > 0)
      .flatMap(([title, found]) => [
        `### ${title} (${found.length})`,
        '',
        ...found.flatMap((table) => describe(table, pending)),
        '',
      ]),
  ];
}

function describe(table: TableAudit, pending: Pending): string[] {
  const { evidence, rules, verdict, why } = table;
  const lines: [string, string][] = [
    ...(evidence.comment === null ? [] : [['comment:', evidence.comment] as [string, string]]),
    ...(verdict === 'keep'
      ? [['reason:', why] as [string, string]]
      : rules.map(({ holds, found }): [string, string] => [side(holds), found])),
    ...pending.flatMap(({ migration, tables }) =>
      tables
        .filter((one) => auditedName(one) === nameOf(table))
        .map(({ reason }): [string, string] => [`${code(migration)} gives the reason:`, reason ?? '']),
    ),
  ];
  return [
    `- ${code(nameOf(table))}, ${size(evidence.bytes)}`,
    ...lines.filter(([, text]) => text !== '').map(([title, text]) => `  - ${title} ${code(text)}`),
  ];
}

/** A sign would begin a list in Markdown. */
function side(holds: boolean | null): string {
  return holds === null ? 'unknown:' : holds ? 'for:' : 'against:';
}

function recommendations(tables: readonly TableAudit[], pending: Pending): string[] {
  const named = new Set(pending.flatMap((migration) => migration.tables.map(auditedName)));
  const of = (verdict: string) =>
    tables.filter((table) => table.verdict === verdict && !named.has(nameOf(table))).map(nameOf);
  const { drop, decide } = split(pending);
  const rest = tables.length - named.size;
  const rows: [string, readonly string[]][] = [
    ['drop', names(drop)],
    ['decide', names(decide)],
    ['candidate without a migration', of('candidate')],
    ['question without a migration', of('ask')],
  ];
  return [
    '## Recommendation',
    '',
    ...markdownTable(
      ['', 'number', 'tables'],
      [
        ...rows
          .filter(([, found]) => found.length > 0)
          .map(([what, found]) => [what, found.length, found.map(code).join(', ')]),
        ['keep', rest - of('candidate').length - of('ask').length, 'all others'],
      ],
    ),
    '',
  ];
}

/** Divides migrations into those that need no approvals, and those that do. */
function split(pending: Pending): { drop: Pending; decide: Pending } {
  const asks = ({ tables }: MigrationPreflight) => tables.some(({ approved }) => approved !== null);
  return { drop: pending.filter((one) => !asks(one)), decide: pending.filter(asks) };
}

/** The name that the audit gives to a table, which a migration may write in other ways. */
function auditedName({ table, schema }: PlannedTable): string {
  return nameOf({ schema, name: parseTableName(table).name });
}

function names(migrations: Pending): string[] {
  return migrations.flatMap(({ tables }) => tables.map(({ table }) => table));
}

function approvals(pending: Pending, file: string): string[] {
  const { drop, decide } = split(pending);
  if (pending.length === 0)
    return [
      '## Approval',
      '',
      'No migration is pending. Write the migrations of the candidates and questions, and then this proposal again:',
      '',
      ...fenced('sh', [commandLine('make', 'clean_up --from-audit')]),
      '',
    ];
  return [
    '## Approval',
    '',
    ...drop.map(
      ({ migration }) => `- ${code(migration)} needs no approval: its tables are dropped when it runs.`,
    ),
    ...(drop.length > 0 ? [''] : []),
    ...decide.flatMap(({ migration, tables }) => [
      `${code(migration)} drops only the tables that are ticked here. An approval is void once its table changes.`,
      '',
      ...tables.map(
        ({ table, fingerprint, reason, approved }) =>
          `- [${approved ? 'x' : ' '}] ${code(`${table}@${fingerprint}`)}${reason ? ` ${code(reason)}` : ''}`,
      ),
      '',
    ]),
    ...(decide.length === 0
      ? []
      : ['After the review, record the ticked boxes:', '', ...fenced('sh', [approveCommand(file)]), '']),
  ];
}

function approveCommand(file: string): string {
  return commandLine('approve', `--from ${/^[\w./-]+$/.test(file) ? file : 'proposal.md'}`);
}

function storageImpact({ impact }: Report): string[] {
  return ['## Storage impact', '', ...impactTable(impact), ''];
}

/** The commands, with the number of tables in the schema public after each step. */
function plan(tables: readonly TableAudit[], pending: Pending, file: string): string[] {
  const now = tables.filter(({ schema }) => schema === 'public').length;
  const dropped = (migrations: Pending) =>
    new Set(
      migrations.flatMap(({ closure }) =>
        closure
          .filter(({ kind, identity }) => kind === 'table' && identity.startsWith('public.'))
          .map(({ identity }) => identity),
      ),
    ).size;
  const { drop, decide } = split(pending);
  // Once some of its tables are approved, a migration runs together with those that need no approval. Its closure then
  // lacks the other tables.
  const begun = decide.filter(({ state }) => state !== 'waits').flatMap(({ tables }) => tables);
  const together = drop.length > 0 && begun.length > 0;
  const others = begun.filter(({ schema, approved }) => schema === 'public' && approved === false).length;
  const verify = (count: number) => commandLine('verify', `--expect ${count}`);
  const run = (count: number) => ['npx knex migrate:latest', verify(count)];
  const steps: [string, readonly string[]][] = [
    ['Back up the database', [commandLine('backup')]],
    ['Look at what would be dropped, and at every gate', [commandLine('preflight')]],
    ...(drop.length === 0 || together
      ? []
      : [['Drop the tables that need no approval', run(now - dropped(drop))] as [string, string[]]]),
    ...(decide.length === 0
      ? []
      : [
          [
            `Drop the ${together ? 'tables that need no approval, and the ' : ''}approved tables (the number is that with all of them approved)`,
            [approveCommand(file), ...run(now - dropped(pending) - others)],
          ] as [string, string[]],
        ]),
    [
      'To undo: restore the tables of the last batch, and run it again for the batch before',
      ['npx knex migrate:rollback', verify(now)],
    ],
  ];
  return [
    '## Plan',
    '',
    ...steps.flatMap(([title, commands], index) => [
      `${index + 1}. ${title}:`,
      '',
      ...fenced('sh', commands).map((line) => `   ${line}`),
      '',
    ]),
  ];
}
