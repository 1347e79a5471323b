/** One thing that `verify` looks at. */
export interface Check {
  readonly name: string;
  readonly state: 'ok' | 'failed' | 'not checked';
  /** What was found, for people. */
  readonly found: string;
}

/** The first ten, and how many more there are. */
export function list(names: readonly string[]): string {
  const more = names.length - most;
  return [...names.slice(0, most), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}

const most = 10;
