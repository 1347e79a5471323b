import type { Knex } from 'knex';
import { type Audit, readEvidence } from '../audit/audit.ts';
import { type JudgeOptions, judgeEvidence } from '../audit/judge-evidence.ts';
import type { Migrations } from '../migration/migrations.ts';
import { type MigrationPreflight, preflight } from '../preflight/preflight.ts';
import { inReadOnlySession } from '../session/read-only.ts';
import { readStatus, type Status } from '../status/status.ts';
import { quietly } from '../text/log.ts';
import { type Verification, verifyDatabase } from '../verify/verify.ts';
import { type Graph, readGraph } from './graph.ts';
import { findImpact, type Stage } from './impact.ts';
import { knowTables } from './known-tables.ts';

/** The results of audit, preflight, verify and status for one database. */
export interface Report {
  readonly database: string;
  /** ISO 8601. */
  readonly madeAt: string;
  readonly role: string;
  readonly status: Status;
  readonly audit: Audit;
  readonly migrations: readonly MigrationPreflight[];
  readonly checks: Verification['checks'];
  readonly impact: readonly Stage[];
  readonly graph: Graph;
}

export interface ReportOptions extends JudgeOptions {
  readonly project: Migrations;
  /** The expected number of tables. */
  readonly expect: number | undefined;
}

/** Reads the report in two read-only sessions. Between them, the audit searches the code. */
export async function readReport(knex: Knex, options: ReportOptions): Promise<Report> {
  const evidence = await inReadOnlySession(knex, readEvidence);
  const audit = await judgeEvidence(evidence, options);
  const tables = knowTables(evidence, audit);
  return inReadOnlySession(knex, async (session) => {
    const { migrations } = await preflight(session, options.project);
    const { checks } = await verifyDatabase(session, {
      expect: options.expect,
      code: options.code,
    });
    return {
      database: session.database,
      madeAt: new Date().toISOString(),
      role: session.role,
      // The preflight has already reported the waiting migrations.
      status: await quietly(() => readStatus(session, options.project)),
      audit,
      migrations,
      checks,
      impact: findImpact(tables, migrations),
      graph: await readGraph(session, evidence, tables, migrations),
    };
  });
}
