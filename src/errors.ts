import { printable } from './text/printable.ts';

/**
 * The codes of `UndropError`. docs/reference.md lists them all.
 */
export type ErrorCode =
  | 'bad-options'
  | 'no-connection'
  | 'unsupported-server'
  | 'not-a-table'
  | 'missing-table'
  | 'extension-member'
  | 'not-empty'
  | 'has-dependents'
  | 'not-reproducible'
  | 'rehearsal-differs'
  | 'restore-differs'
  | 'restore-failed'
  | 'drop-differs'
  | 'count-differs'
  | 'code-differs'
  | 'not-verified'
  | 'approval-missing'
  | 'approval-stale'
  | 'backup-missing'
  | 'backup-unproved'
  | 'backup-failed'
  | 'lock-timeout'
  | 'name-taken'
  | 'prerequisite-gone'
  | 'archive-missing'
  | 'archive-damaged'
  | 'archive-foreign'
  | 'insufficient-privilege'
  | 'not-seedable'
  | 'in-use'
  | 'server-error';

export interface ErrorFacts {
  /** The table, object, file or setting concerned, as the user named it. */
  subject: string;
  /** What happened, and to which object: one sentence. */
  message: string;
  /** Why: one sentence, or several lines where there are several causes. */
  reason: string;
  /** What to do next. */
  next: string;
  cause?: unknown;
}

/**
 * The only error class of this package. `message` states what happened. `String(error)` and `error.stack` also contain
 * the reason and the next step, because Knex's command line prints only the stack. With `DEBUG` set, `stack` is the
 * stack trace.
 */
export class UndropError extends Error {
  /** The kind of refusal or failure. */
  readonly code: ErrorCode;
  /** The table, object, file or setting concerned, as the user named it. */
  readonly subject: string;
  /** Why: one sentence, or several lines where there are several causes. */
  readonly reason: string;
  /** What to do next. */
  readonly next: string;

  /** @internal */
  constructor(code: ErrorCode, facts: ErrorFacts) {
    super(facts.message, 'cause' in facts ? { cause: facts.cause } : undefined);
    this.name = 'UndropError';
    this.code = code;
    this.subject = facts.subject;
    this.reason = facts.reason;
    this.next = facts.next;
    if (!process.env.DEBUG) this.stack = this.toString();
  }

  /**
   * True for errors of every copy of this package, since a project may load it both as ES module and as CommonJS.
   *
   * @internal
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isUndropError(value);
  }

  /** Returns code, message, reason and next step in three or more lines, with control characters escaped. */
  override toString(): string {
    return `${this.code}: ${printable(this.message)}\n  why:  ${indent(this.reason)}\n  next: ${indent(this.next)}`;
  }
}

/** Tests by name, because Knex may load a migration, and this class with it, a second time. */
export function isUndropError(error: unknown): error is UndropError {
  return error instanceof Error && error.name === 'UndropError' && 'code' in error && 'next' in error;
}

/** Codes of refusals (exit code 3): nothing was changed. Other codes are failures (1) or wrong usage (2). */
const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'not-a-table',
  'missing-table',
  'extension-member',
  'not-empty',
  'has-dependents',
  'not-reproducible',
  'rehearsal-differs',
  'code-differs',
  'approval-missing',
  'approval-stale',
  'backup-missing',
  'backup-unproved',
  'lock-timeout',
  'name-taken',
  'prerequisite-gone',
  'archive-foreign',
  'not-seedable',
]);

/** Returns the exit code of a command after this error: 1 failed, 2 wrong usage, 3 refused. */
export function exitCodeOf(error: unknown): 1 | 2 | 3 {
  if (!isUndropError(error)) return 1;
  if (error.code === 'bad-options') return 2;
  return refusals.has(error.code) ? 3 : 1;
}

/**
 * Returns the SQLSTATE of an error that the driver threw, or undefined.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  // EPIPE is a code of the operating system.
  if ('syscall' in error) return undefined;
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

/** Returns the server's message, followed by its detail and context on lines of their own. */
export function serverWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { detail, where } = error as { detail?: string; where?: string };
  return [error.message, detail, where].filter((line) => line !== undefined).join('\n');
}

// Classes of errors that the statement or its data cause: unsupported features, missing objects, violated constraints,
// errors raised by user functions. Not included are lack of memory or disk space, cancellation, timeouts, lost locks or
// connections, and failed transactions.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const verdicts = /^(0A|0L|0P|21|22|23|2B|2F|38|39|3D|3F|42|44|54|55|P0)|^XX000$/;

/**
 * Returns whether the statement would fail again for the same reason if it were repeated. Returns false for an unknown
 * SQLSTATE.
 */
export function isVerdict(error: unknown): boolean {
  const state = sqlState(error);
  return state !== undefined && state !== '55P03' && verdicts.test(state);
}

function indent(text: string): string {
  return text.split('\n').map(printable).join('\n        ');
}
