import type { Outcome } from './child.ts';

/** The tests on one server. */
export interface ServerRun {
  readonly server: string;
  readonly version: string;
  readonly outcomes: readonly Outcome[];
  /** Whether at least one test passed, none failed, and the run was complete. */
  readonly good: boolean;
  readonly seconds: number;
}

/** Returns one line for each server, then the reasons of skipped tests, then the totals. */
export function describeTable(runs: readonly ServerRun[]): string {
  const head = [
    'server',
    'version',
    'ran',
    'exact',
    'refused',
    'other laws',
    'skipped',
    'failed',
    'seconds',
    '',
  ];
  const lines = runs.map(({ server, version, outcomes, good, seconds }) => {
    const passed = outcomes.filter(({ state }) => state === 'passed');
    const cases = passed.filter(({ title }) => title[0]?.startsWith('cases'));
    const refused = cases.filter(({ title }) => title.at(-1)?.includes(': is refused, '));
    const failed = count(outcomes, 'failed');
    const numbers = [
      passed.length + failed,
      cases.length - refused.length,
      refused.length,
      passed.length - cases.length,
      count(outcomes, 'skipped'),
      failed,
      seconds,
    ];
    return [
      server,
      version,
      ...numbers.map(String),
      good ? '' : passed.length + failed === 0 ? 'none ran' : 'failed',
    ];
  });
  const total = runs.flatMap(({ outcomes }) => outcomes);
  return [
    ...table([head, ...lines]),
    '',
    ...runs.flatMap(({ server, outcomes }) => describeSkipped(server, outcomes)),
    '',
    `matrix: ${count(total, 'passed')} passed, ${count(total, 'failed')} failed, ${count(total, 'skipped')} skipped`,
  ].join('\n');
}

function count(outcomes: readonly Outcome[], wanted: Outcome['state']): number {
  return outcomes.filter(({ state }) => state === wanted).length;
}

function describeSkipped(server: string, outcomes: readonly Outcome[]): string[] {
  const reasons = new Map<string, number>();
  for (const { state, why = '' } of outcomes) {
    if (state === 'skipped') reasons.set(why, (reasons.get(why) ?? 0) + 1);
  }
  return [...reasons].map(([reason, times]) => `skipped on ${server}: ${times} × ${reason}`);
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
}
