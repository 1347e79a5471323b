const most = 10;

/** Returns the first 10 lines, and a last one with the number of the others. */
export function shorten(lines: readonly string[]): string[] {
  const others = lines.length - most;
  return others <= 0 ? [...lines] : [...lines.slice(0, most), `… and ${others} more`];
}
