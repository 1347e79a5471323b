const sizes = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Formats a size as pg_size_pretty of PostgreSQL 15 and later does, with 1 kB = 1024 bytes: `8192 bytes`, `16 kB`. */
export function size(bytes: number | string): string {
  let amount = BigInt(bytes);
  if (amount < 10_240n) return `${amount} bytes`;
  // Counted in halves of a unit, so that the result can be rounded.
  amount >>= 9n;
  let unit = 1;
  for (; unit < sizes.length - 1 && amount >= 20_479n; unit++) amount >>= 10n;
  return `${(amount + 1n) / 2n} ${sizes[unit]}`;
}

/** Parses `500MB`, `1GB` or `8192`, with 1 kB = 1024 bytes. Returns undefined if the text is not a size. */
export function parseSize(text: string): number | undefined {
  const [, amount, unit = ''] = /^(\d{1,9}) ?(kB|MB|GB|TB)?$/i.exec(text) ?? [];
  const power = Math.max(
    0,
    sizes.findIndex((name) => name.toLowerCase() === unit.toLowerCase()),
  );
  return amount === undefined ? undefined : Number(amount) * 1024 ** power;
}

/** Formats a number with its noun: `1 row`, `3 rows`. */
export function countOf(number: number | bigint, noun: string, plural = `${noun}s`): string {
  return `${number} ${BigInt(number) === 1n ? noun : plural}`;
}

/** Returns the first `most` names and the number of the others: `a, b, 5 more`. */
export function list(names: readonly string[], most = 10): string {
  const more = names.length - most;
  return [...names.slice(0, most), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

const milliseconds: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Parses `500ms`, `30s`, `5m`, `5min`, `24h` or `7d`. Returns milliseconds, or undefined if the text is not a duration. */
export function parseDuration(text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined;
  const [, amount, unit = ''] = /^(\d{1,10})(ms|s|m|min|h|d)$/.exec(text) ?? [];
  return amount === undefined ? undefined : Number(amount) * (milliseconds[unit] ?? 0);
}

/** Formats seconds in the largest unit that gives at least two: `1.3 s`, `75 s`, `90 min`, `25 h`, `7 d`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 2 * 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** Formats a time in ISO 8601, in UTC, to the second. */
export function moment(time: string | Date): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}

/** Formats a time in UTC for names of files and databases: `20261123_144204`. */
export function stamp(time: Date): string {
  return time
    .toISOString()
    .replaceAll(/[-:]|\..*/g, '')
    .replace('T', '_');
}
