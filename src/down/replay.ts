import type { Statement } from '../capture/capture.ts';
import { type Closure, readClosure } from '../catalog/closure.ts';
import { describeEventTriggers } from '../catalog/event-triggers.ts';
import { type Facts, readFacts } from '../catalog/facts/facts.ts';
import { unpublished } from '../catalog/unpublished.ts';
import { type ErrorCode, isVerdict, serverWords, sqlState, UndropError } from '../errors.ts';
import { formats } from '../session/pinned-settings.ts';
import { explain } from '../session/server-errors.ts';
import type { Session } from '../session/session.ts';
import { withProgress } from '../text/progress.ts';
import { list } from '../text/units.ts';

/**
 * Replays statements in order, many in one message.
 *
 * @throws UndropError with the given code and the object whose statement failed; where statements were cancelled, timed
 * out or ran out of a resource, the error of `explain` with the objects concerned
 */
export async function replay(
  session: Session,
  statements: readonly Statement[],
  code: ErrorCode,
): Promise<void> {
  const what = code === 'not-reproducible' ? 'rehearse' : 'restore';
  const name = ([first]: readonly Statement[]) => `${first?.kind} ${first?.identity}`;
  for await (const batch of withProgress(what, batches(statements), name)) {
    try {
      await attempt(session, batch);
    } catch (error) {
      if (!isVerdict(error)) throw explain(error, describeAll(batch));
      const [first, ...others] = batch;
      if (first !== undefined && others.length === 0 && !isCheckViolation(error))
        throw await refused(session, error, first, code);
      await replayOneByOne(session, batch, code);
    }
  }
}

/** Replays the statements of a failed batch one by one, to find the one that fails. */
async function replayOneByOne(
  session: Session,
  statements: readonly Statement[],
  code: ErrorCode,
): Promise<void> {
  for (const statement of statements) {
    try {
      await replayOne(session, statement);
    } catch (error) {
      throw isVerdict(error)
        ? await refused(session, error, statement, code)
        : explain(error, describeAll([statement]));
    }
  }
}

/**
 * Replays a statement. If rows violate a CHECK, which may depend on the time zone, repeats it under the original formats of
 * the session. The search path stays pinned. Throws the error of the first attempt.
 */
async function replayOne(session: Session, statement: Statement): Promise<void> {
  try {
    await attempt(session, [statement]);
  } catch (error) {
    if (!isCheckViolation(error)) throw error;
    await session
      .attempt(() => unpublished(session, filledBy(statement), () => session.asFound(statement.sql, formats)))
      .catch((second: unknown) => {
        throw isVerdict(second) ? error : second;
      });
  }
}

/** Runs a batch in a savepoint. Subscribers still have the rows, so that publications must not publish them again. */
async function attempt(session: Session, batch: readonly Statement[]): Promise<void> {
  const sql = batch.map((statement) => statement.sql).join(';\n');
  const tables = batch.flatMap(filledBy);
  if (tables.length === 0) await session.attemptRun(sql);
  else await session.attempt(() => unpublished(session, tables, () => session.run(sql)));
}

/** The table that a statement inserts rows into. */
function filledBy({ kind, identity }: Statement): string[] {
  return kind === 'rows' ? [identity] : [];
}

// https://www.postgresql.org/docs/current/errcodes-appendix.html
function isCheckViolation(error: unknown): boolean {
  return sqlState(error) === '23514';
}

const fewNames = 20;

function describeAll(statements: readonly Statement[]): { subject: string; words: string } {
  const names = [...new Set(statements.map(({ kind, identity }) => `${kind} ${identity}`))];
  const listed = list(names, fewNames);
  return {
    subject: [...new Set(statements.map(({ identity }) => identity))].slice(0, fewNames).join(', '),
    words: statements.length === 1 ? listed : `one of ${statements.length} statements: ${listed}`,
  };
}

const atOnce = 500;

/** Statements that insert rows are batches of their own, since they take long. */
function batches(statements: readonly Statement[]): Statement[][] {
  const all: Statement[][] = [];
  for (const statement of statements) {
    const last = all.at(-1);
    const isAlone = statement.kind === 'rows' || last?.[0]?.kind === 'rows';
    if (last === undefined || isAlone || last.length === atOnce) all.push([statement]);
    else last.push(statement);
  }
  return all;
}

// For rows, the detail of the server's error is left out: it would hold the row.
async function refused(
  session: Session,
  error: unknown,
  { kind, identity }: Statement,
  code: ErrorCode,
): Promise<UndropError> {
  const taken = code === 'restore-failed' && duplicates.has(sqlState(error) ?? '');
  return new UndropError(taken ? 'name-taken' : code, {
    subject: identity,
    message: `The ${kind}${kind === 'rows' ? ' of' : ''} ${identity} could not be recreated.`,
    reason:
      kind === 'rows' && error instanceof Error
        ? error.message
        : [serverWords(error), await describeEventTriggers(session)].filter((line) => line !== '').join('\n'),
    next: taken
      ? 'Nothing was changed. Rename or drop the existing object, then run it again.'
      : code === 'not-reproducible'
        ? 'Nothing was changed. Remove the cause, or remove the table from the migration.'
        : 'Nothing was changed. Remove the cause, then run it again.',
    cause: error,
  });
}

// duplicate_table, duplicate_function, duplicate_object. https://www.postgresql.org/docs/current/errcodes-appendix.html
const duplicates = new Set(['42P07', '42723', '42710']);

const oidsSql = /* sql */ `
  select pg_catalog.to_regclass(t.name)::oid::bigint as oid
  from pg_catalog.unnest($1::text[]) with ordinality as t (name, position)
  order by t.position`;

/** The closure of restored tables, by their qualified names, and its facts. */
export async function readRestored(
  session: Session,
  tables: readonly string[],
): Promise<{ closure: Closure; facts: Facts }> {
  const closure = await findRestored(session, tables);
  return { closure, facts: await readFacts(session, closure) };
}

/** The closure of restored tables, by their qualified names. */
export async function findRestored(session: Session, tables: readonly string[]): Promise<Closure> {
  const rows = await session.read<{ oid: number | null }>(oidsSql, [tables]);
  return readClosure(
    session,
    rows.flatMap(({ oid }) => (oid === null ? [] : [oid])),
  );
}
