import type { Statement } from './capture.ts';
import { type Closure, readClosure } from './catalog/closure.ts';
import { type Facts, readFacts } from './catalog/facts.ts';
import { type ErrorCode, serverWords, sqlState, UndropError } from './errors.ts';
import { withProgress } from './progress.ts';
import type { Session } from './session.ts';

/**
 * Replays statements in their order, many in one message.
 *
 * @throws UndropError with the given code, naming the object whose statement the server refused
 */
export async function replay(
  session: Session,
  statements: readonly Statement[],
  code: ErrorCode,
): Promise<void> {
  const what = code === 'not-reproducible' ? 'rehearse' : 'restore';
  const name = ([first]: readonly Statement[]) => `${first?.kind} ${first?.identity}`;
  for await (const batch of withProgress(what, batches(statements), name)) {
    const sql = batch.map((statement) => statement.sql).join(';\n');
    try {
      await session.attemptRun(sql);
    } catch (error) {
      const [first] = batch;
      // Of a lock it does not matter who asked for it; anything else has to be found.
      if (first === undefined || sqlState(error) === '55P03') throw explain(error, first, code);
      await replayOneByOne(session, batch, code);
    }
  }
}

async function replayOneByOne(
  session: Session,
  statements: readonly Statement[],
  code: ErrorCode,
): Promise<void> {
  for (const statement of statements) {
    try {
      await session.run(statement.sql);
    } catch (error) {
      throw explain(error, statement, code);
    }
  }
}

const atOnce = 500;

/** Rows go alone: they take their time. */
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

// The detail of what is wrong with a row would be the row.
function explain(error: unknown, statement: Statement | undefined, code: ErrorCode): UndropError {
  const { kind = 'statement', identity = '' } = statement ?? {};
  const taken = code === 'restore-failed' && duplicates.has(sqlState(error) ?? '');
  return new UndropError(taken ? 'name-taken' : code, {
    subject: identity,
    message: `The ${kind}${kind === 'rows' ? ' of' : ''} ${identity} could not be made again.`,
    reason: kind === 'rows' && error instanceof Error ? error.message : serverWords(error),
    next: taken
      ? 'Nothing was changed. Rename or drop what stands there now, then roll back again.'
      : 'Nothing was changed. Remove the cause, or leave the table out of the migration.',
    cause: error,
  });
}

// A relation, a routine, or anything else of that name. https://www.postgresql.org/docs/current/errcodes-appendix.html
const duplicates = new Set(['42P07', '42723', '42710']);

const oidsSql = /* sql */ `
  select pg_catalog.to_regclass(t.name)::oid::bigint as oid
  from pg_catalog.unnest($1::text[]) with ordinality as t (name, position)
  order by t.position`;

/** The closure of tables by their qualified names, read anew, and its facts. */
export async function readRestored(
  session: Session,
  tables: readonly string[],
): Promise<{ closure: Closure; facts: Facts }> {
  const closure = await findRestored(session, tables);
  return { closure, facts: await readFacts(session, closure) };
}

/** The closure of tables by their qualified names. */
export async function findRestored(session: Session, tables: readonly string[]): Promise<Closure> {
  const rows = await session.read<{ oid: number | null }>(oidsSql, [tables]);
  return readClosure(
    session,
    rows.flatMap(({ oid }) => (oid === null ? [] : [oid])),
  );
}
