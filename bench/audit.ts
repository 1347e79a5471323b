import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditEvidence, readEvidence } from '../src/audit/audit.ts';
import { readDecisions } from '../src/audit/decisions.ts';
import { formatAudit } from '../src/audit/report.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { addTables, openTuring } from './database.ts';
import { head, host, measure } from './measure.ts';

/*
 * `audit` of 10,000 tables on a warm connection, from the first query to the printed text. Half of the tables have a row.
 * Compared with psql, which runs `select exists (…)` on each table.
 */

const most = 3000;
const bench = await openTuring();
const folder = mkdtempSync(join(tmpdir(), 'undrop-bench-'));
const script = join(folder, 'exists.sql');

async function audit(): Promise<string> {
  const evidence = await inReadOnlySession(bench.knex, readEvidence);
  const decisions = await readDecisions(join(import.meta.dirname, '../decisions.json'), true);
  return formatAudit(auditEvidence(evidence, decisions, null, undefined));
}

/** Inserts a row into every second added table, in batches that fit into the lock table of the server. */
async function fillHalf(): Promise<void> {
  const { rows } = await bench.knex.raw(
    `select relname as name from pg_class where relname ~ '^filler_\\d+[02468]$'`,
  );
  for (let start = 0; start < rows.length; start += 500) {
    const names = rows.slice(start, start + 500).map(({ name }: { name: string }) => name);
    await bench.knex.raw(names.map((name: string) => `insert into ${name} default values`).join(';'));
  }
}

try {
  await addTables(bench, 10_000);
  await fillHalf();
  await bench.knex.raw('vacuum analyze');
  const { rows } = await bench.knex.raw(
    `select format('select exists (select from %I.%I);', schemaname, tablename) as sql from pg_tables where schemaname = 'public'`,
  );
  writeFileSync(script, rows.map(({ sql }: { sql: string }) => sql).join('\n'));
  const { ours, theirs, ratio } = await measure(
    { name: 'audit', run: audit },
    { name: 'psql', run: () => bench.psql('-f', script) },
    5,
  );
  const times = [ours, theirs].map((time) => `${time.toFixed(0)} ms`);
  const cells = [
    `audit of ${rows.length} tables`,
    'psql: select exists (…) of each',
    ...times,
    ratio.toFixed(2),
  ];
  console.log(`${host()}, PostgreSQL ${bench.server.version}, fsync off\n\n${head}`);
  console.log(`| ${[...cells, `≤ ${most} ms`, ours <= most ? 'met' : 'not met'].join(' | ')} |`);
} finally {
  await bench.end();
  rmSync(folder, { recursive: true });
}
