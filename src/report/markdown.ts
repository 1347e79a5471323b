import { formatAuditMarkdown } from '../audit/report.ts';
import { formatPreflightMarkdown } from '../preflight/format.ts';
import { code } from '../text/markdown.ts';
import { list, moment } from '../text/units.ts';
import { formatVerificationMarkdown } from '../verify/format.ts';
import type { Subject } from './graph.ts';
import { impactTable } from './impact-table.ts';
import type { Report } from './read-report.ts';
import { relationsOf } from './words.ts';

/** Formats the report as a comment on a pull request: pending migrations first, the list of tables last. */
export function formatReportMarkdown(report: Report): string {
  const { database, madeAt, impact, graph, migrations, failures } = report;
  return [
    `## Report on ${code(database)}, ${moment(madeAt)}`,
    '',
    ...failures.flatMap(({ part, message, reason, next }) => [
      `**${part}: failed.** ${code(message)} ${code(reason)} ${code(next)}`,
      '',
    ]),
    ...impactTable(impact),
    '',
    formatPreflightMarkdown({ migrations }),
    '### Dependencies of the tables to be dropped or in question',
    '',
    ...graph.subjects.slice(0, most).map(describe),
    ...(graph.subjects.length > most ? [`- and ${graph.subjects.length - most} more`] : []),
    '',
    '### Verify',
    '',
    formatVerificationMarkdown(report),
    formatAuditMarkdown(report.audit),
  ].join('\n');
}

/** The most subjects described; comments on pull requests have a maximum length. */
const most = 100;

const fates: Readonly<Record<Subject['fate'], string>> = {
  goes: 'to be dropped',
  waits: 'waits for approval',
  candidate: 'candidate',
  ask: 'ask',
};

function describe(subject: Subject): string {
  const relations = relationsOf(subject).map(({ what, names }) =>
    names.length === 0 ? what : `${what} ${list(names.map(code))}`,
  );
  return `- ${code(subject.table)} (${fates[subject.fate]}): ${relations.join('; ')}`;
}
