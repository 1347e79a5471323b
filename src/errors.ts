import { printable } from './text/printable.ts';

/**
 * Every way in which this package says no. A closed set: the README lists them, and each has its test.
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
  | 'insufficient-privilege'
  | 'not-seedable'
  | 'in-use'
  | 'server-error';

export interface ErrorFacts {
  /** The table, object, file or setting that it is about, in the user's own names. */
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
 * The one error class of this package. `message` alone is what happened; `String(error)` and `error.stack`
 * carry reason and next step too, since Knex's command line prints the stack and nothing else.
 * With `DEBUG` set, the stack is a stack.
 */
export class UndropError extends Error {
  /** What kind of refusal or failure it is. */
  readonly code: ErrorCode;
  /** The table, object, file or setting that it is about, in the user's own names. */
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

  /** Code, message, reason and next step, in three lines or more, with nothing in them that steers a terminal. */
  override toString(): string {
    return `${this.code}: ${printable(this.message)}\n  why:  ${indent(this.reason)}\n  next: ${indent(this.next)}`;
  }
}

/** By name: Knex may load a migration, and with it this class, a second time. */
export function isUndropError(error: unknown): error is UndropError {
  return error instanceof Error && error.name === 'UndropError' && 'code' in error && 'next' in error;
}

/** Refused by a gate before anything was changed (exit code 3), as opposed to failed (1) or misused (2). */
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
  'not-seedable',
]);

/** The exit code that a command ends with after this error: 1 failed, 2 wrong usage, 3 refused. */
export function exitCodeOf(error: unknown): 1 | 2 | 3 {
  if (!isUndropError(error)) return 1;
  if (error.code === 'bad-options') return 2;
  return refusals.has(error.code) ? 3 : 1;
}

/** The SQLSTATE of an error that the driver threw. https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function sqlState(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) ? error.code : undefined;
}

/** What the server says of an error: its message, and in the lines after it the detail and the context. */
export function serverWords(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { detail, where } = error as { detail?: string; where?: string };
  return [error.message, detail, where].filter((words) => words !== undefined).join('\n');
}

// By class: what a statement asks for cannot be had, its data break a rule, a function of the user raises an error.
// Not: out of memory or disk, cancelled, timed out, a lock or a connection that is gone, a transaction that has failed.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const verdicts = /^(0A|0L|0P|21|22|23|2B|2F|38|39|3D|3F|42|44|54|55|P0)|^XX000$/;

/**
 * Whether the server has judged a statement, and would do so again: only then may one that has failed be run once more.
 * Of a state that is not known here nothing is supposed.
 */
export function isVerdict(error: unknown): boolean {
  const state = sqlState(error);
  return state !== undefined && state !== '55P03' && verdicts.test(state);
}

function indent(text: string): string {
  return text.split('\n').map(printable).join('\n        ');
}
