import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { printable } from '../../text/printable.ts';
import { cut } from '../../text/terminal.ts';
import { duration, size } from '../../text/units.ts';
import type { SnapshotTable } from './snapshot.ts';

/** The progress of a backup. */
export interface Progress {
  readonly seconds: number;
  readonly bytes: number;
  /** The table whose dump began last, as `schema.name`. */
  readonly table: string | undefined;
  /** The size of the finished tables as a fraction of the size of all, from 0 to 1. */
  readonly share: number;
}

/**
 * Reports once a second how much pg_dump has written to `path`.
 *
 * @param jobs the number of tables that are dumped concurrently
 */
export function watchProgress(
  path: string,
  tables: readonly SnapshotTable[],
  jobs: number,
  report: (progress: Progress) => void,
): { onTable(name: string): void; stop(): void } {
  const sizes = new Map(tables.map(({ schema, name, bytes }) => [`${schema}.${name}`, bytes]));
  const total = tables.reduce((sum, { bytes }) => sum + bytes, 0);
  const start = performance.now();
  const begun: string[] = [];
  let done = 0;
  let isOver = false;
  const timer = setInterval(async () => {
    // The draft may have been removed or renamed.
    const bytes = await sizeOf(path).catch(() => 0);
    if (isOver) return;
    const share = total === 0 ? 0 : Math.min(1, done / total);
    report({ seconds: (performance.now() - start) / 1000, bytes, table: begun.at(-1), share });
  }, 1000);
  return {
    onTable: (name) => {
      begun.push(name);
      if (begun.length > jobs) done += sizes.get(begun.shift() ?? '') ?? 0;
    },
    stop: () => {
      isOver = true;
      clearInterval(timer);
    },
  };
}

/** Shows progress on standard error: on a terminal as one line that is redrawn, otherwise as a line every ten seconds. */
export function progressLine(out: NodeJS.WriteStream = process.stderr) {
  let shown = 0;
  return {
    show(progress: Progress): void {
      const line = describe(progress);
      if (out.isTTY) out.write(`\r${cut(line, (out.columns || 80) - 1)}\x1b[K`);
      else if (progress.seconds >= shown + 9.5) {
        shown = progress.seconds;
        out.write(`${line}\n`);
      }
    },
    clear(): void {
      if (out.isTTY) out.write('\r\x1b[K');
    },
  };
}

function describe({ seconds, bytes, table, share }: Progress): string {
  const at = table === undefined ? '' : `, dumping ${printable(table)}`;
  return (
    `${size(bytes)} written in ${duration(Math.round(seconds))}, ${size(Math.round(bytes / seconds))}/s, ` +
    `about ${Math.floor(share * 100)} % of the tables${at}`
  );
}

async function sizeOf(path: string): Promise<number> {
  const found = await stat(path);
  if (!found.isDirectory()) return found.size;
  const sizes = await Promise.all(
    (await readdir(path)).map(async (name) => (await stat(join(path, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
