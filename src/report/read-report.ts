import type { Knex } from 'knex';
import { type Audit, readEvidence } from '../audit/audit.ts';
import { type JudgeOptions, judgeEvidence } from '../audit/judge-evidence.ts';
import { isUndropError } from '../errors.ts';
import type { Migrations } from '../migration/migrations.ts';
import { type MigrationPreflight, preflight } from '../preflight/preflight.ts';
import { inReadOnlySession } from '../session/read-only.ts';
import { explain } from '../session/server-errors.ts';
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
  /** The parts that could not be read, such as where the server has too few locks. They are empty. */
  readonly failures: readonly Failure[];
}

/** A part that could not be read. */
export interface Failure {
  /** The section of the page. */
  readonly part: 'preflight' | 'picture' | 'verify';
  readonly message: string;
  readonly reason: string;
  readonly next: string;
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
    const failures: Failure[] = [];
    // In a savepoint, which releases the locks of a part that failed.
    const read = async <T>(part: Failure['part'], none: T, work: () => Promise<T>): Promise<T> => {
      try {
        return await session.attempt(work);
      } catch (thrown) {
        const error = explain(thrown);
        if (!isUndropError(error) || error.code !== 'server-error') throw thrown;
        const { message, reason, next } = error;
        failures.push({ part, message, reason, next });
        return none;
      }
    };
    const migrations = await read(
      'preflight',
      [],
      async () => (await preflight(session, options.project)).migrations,
    );
    const { expect, code } = options;
    const checks = await read(
      'verify',
      [],
      async () => (await verifyDatabase(session, { expect, code })).checks,
    );
    const graph = await read('picture', { subjects: [], needs: [] }, () =>
      readGraph(session, evidence, tables, migrations),
    );
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
      graph,
      failures,
    };
  });
}
