import type { Audit } from '../audit/audit.ts';
import { countingLine } from '../audit/report.ts';
import type { MigrationPreflight } from '../preflight/preflight.ts';
import { moment } from '../text/units.ts';
import type { Check } from '../verify/format.ts';
import { auditSections } from './audit-sections.ts';
import { glanceSection, recordSection } from './glance-sections.ts';
import { html } from './html.ts';
import type { LayOut } from './layout-graph.ts';
import { type Section, writePage } from './page.ts';
import { badge } from './parts.ts';
import { pictureSection } from './picture-section.ts';
import { approvalsSection, preflightSection } from './preflight-sections.ts';
import type { Failure, Report } from './read-report.ts';
import { verifySection } from './verify-section.ts';

export function formatReportHtml(report: Report, layOut: LayOut | undefined): string {
  const { database, madeAt, role, audit, migrations, checks, graph, failures } = report;
  return writePage({
    kind: 'undrop report',
    name: database,
    facts: [moment(madeAt), `as ${role}`, countingLine(audit)],
    sections: [
      glanceSection(report),
      approvalsSection(migrations) ?? [],
      pictureSection(graph, layOut),
      preflightSection(migrations),
      verifySection(checks),
      recordSection(report) ?? [],
      auditSections(audit),
    ]
      .flat()
      .map((section) => withFailure(section, failures)),
  });
}

/** A section that shows why its part could not be read, where that is so. */
function withFailure(section: Section, failures: readonly Failure[]): Section {
  const failure = failures.find(({ part }) => part === section.id);
  if (failure === undefined) return section;
  const { message, reason, next } = failure;
  return {
    ...section,
    body: html`<p class="warning">${badge('failed')} ${message} ${reason}</p><p>${next}</p>`,
  };
}

export function formatAuditHtml(audit: Audit): string {
  const { database, counts } = audit;
  const sections = auditSections(audit);
  const facts = [`${counts.tables} tables, ${counts.empty} empty`, countingLine(audit)];
  return writePage({ kind: 'undrop audit', name: database, facts, sections });
}

export function formatPreflightHtml(found: {
  database: string;
  migrations: readonly MigrationPreflight[];
}): string {
  const { database, migrations } = found;
  return writePage({
    kind: 'undrop preflight',
    name: database,
    facts: [moment(new Date())],
    sections: [approvalsSection(migrations) ?? [], preflightSection(migrations)].flat(),
  });
}

export function formatVerificationHtml({
  database,
  checks,
}: {
  database: string;
  checks: readonly Check[];
}): string {
  return writePage({
    kind: 'undrop verify',
    name: database,
    facts: [moment(new Date())],
    sections: [verifySection(checks)],
  });
}
