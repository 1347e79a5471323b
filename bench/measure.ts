import { cpus, loadavg } from 'node:os';

/** One of the two sides of a comparison. `before` and `after` are not measured. */
export interface Side {
  readonly name: string;
  run(): Promise<unknown>;
  before?(): Promise<unknown>;
  after?(): Promise<unknown>;
}

export interface Measured {
  /** The medians in milliseconds. */
  readonly ours: number;
  readonly theirs: number;
  readonly ratio: number;
}

/** Runs both until V8 has compiled the code and the server has cached the catalogs. */
export async function warmUp(up: () => Promise<unknown>, down: () => Promise<unknown>): Promise<void> {
  for (let turn = 0; turn < 15; turn++) {
    await up();
    await down();
  }
}

/** Runs both sides in turn and returns the medians. The first turn is not counted. */
export async function measure(ours: Side, theirs: Side, runs = 9): Promise<Measured> {
  const times: Record<'ours' | 'theirs', number[]> = { ours: [], theirs: [] };
  for (let turn = 0; turn <= runs; turn++) {
    for (const [key, side] of Object.entries({ ours, theirs }) as ['ours' | 'theirs', Side][]) {
      await side.before?.();
      const start = performance.now();
      await side.run();
      const time = performance.now() - start;
      await side.after?.();
      if (turn > 0) times[key].push(time);
    }
  }
  const result = { ours: median(times.ours), theirs: median(times.theirs) };
  return { ...result, ratio: result.ours / result.theirs };
}

export function median(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** Formats a row of the table of results. */
export function row(
  what: string,
  against: string,
  { ours, theirs, ratio }: Measured,
  target: number,
): string {
  const verdict = ratio <= target ? 'met' : 'not met';
  const cells = [what, against, ms(ours), ms(theirs), ratio.toFixed(2), `≤ ${target}`, verdict];
  return `| ${cells.join(' | ')} |`;
}

export const head = `| what | against | ours | theirs | ratio | target | |
|---|---|---|---|---|---|---|`;

/** Describes the host: cores, Node version and load. */
export function host(): string {
  const load = loadavg().map((average) => average.toFixed(1));
  return `${cpus().length} cores, Node ${process.version}, load ${load.join(' ')}`;
}

function ms(time: number): string {
  return time < 100 ? `${time.toFixed(1)} ms` : `${time.toFixed(0)} ms`;
}

/** Formats a row for a value without a comparison. */
export function singleRow(what: string, value: string, target: string, met: boolean): string {
  return `| ${[what, '', value, '', '', target, met ? 'met' : 'not met'].join(' | ')} |`;
}

/** Formats a row for a lower bound: the median of nine runs of the minimum work. */
export async function floorRow(what: string, run: () => Promise<unknown>): Promise<string> {
  const times: number[] = [];
  for (let turn = 0; turn <= 9; turn++) {
    const start = performance.now();
    await run();
    if (turn > 0) times.push(performance.now() - start);
  }
  return `| ${[what, '', ms(median(times)), '', '', 'floor', ''].join(' | ')} |`;
}
