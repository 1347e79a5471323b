import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { UndropError } from '../errors.ts';

/**
 * Runs the SQL of a plain dump. psql would run what begins with a backslash, programs of this machine included; of that
 * only `\restrict` is in a dump that pg_dump has written, and anything else is refused.
 *
 * @throws UndropError `backup-unproved` naming what the server refused
 */
export async function replayPlain(client: Client, input: Readable): Promise<void> {
  const lines = linesOf(input);
  let statement: string[] = [];
  let state = outside;
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    const line = next.value;
    if (statement.length === 0) {
      if (line === '' || line.startsWith('--')) continue;
      if (line.startsWith('\\')) {
        refuseCommand(line);
        continue;
      }
    }
    statement.push(line);
    state = after(line, state);
    if (state.quote !== undefined || state.depth > 0 || !isEnd(line, statement)) continue;
    const sql = statement.join('\n');
    statement = [];
    state = outside;
    await run(client, sql, () => rowsOf(lines)).catch((error: Error) => {
      throw refused(sql, error);
    });
  }
  if (statement.length === 0) return;
  throw refused(statement.join('\n'), new Error('It ends in the middle of a statement.'));
}

async function run(client: Client, sql: string, rows: () => AsyncIterable<string>): Promise<void> {
  if (!/^COPY .* FROM stdin;$/s.test(sql)) {
    await client.query(sql);
    return;
  }
  await pipeline(Readable.from(rows()), client.query(copyFrom(sql)));
}

async function* rowsOf(lines: AsyncGenerator<string>): AsyncGenerator<string> {
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    if (next.value === '\\.') return;
    yield `${next.value}\n`;
  }
}

interface State {
  /** What ends the string, name or body that goes on. */
  readonly quote: string | undefined;
  /** How many parentheses are open: a rule may have several statements in them. */
  readonly depth: number;
}

const outside: State = { quote: undefined, depth: 0 };

const special = /'|"|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|--|[()]/g;

/** How it stands at the end of a line. */
function after(line: string, { quote: before, depth: open }: State): State {
  let quote = before;
  let depth = open;
  for (let at = 0; at < line.length; ) {
    if (quote !== undefined) {
      const end = line.indexOf(quote, at);
      if (end < 0) break;
      at = end + quote.length;
      quote = undefined;
      continue;
    }
    special.lastIndex = at;
    const found = special.exec(line)?.[0];
    if (found === undefined || found === '--') break;
    at = special.lastIndex;
    if (found === '(') depth++;
    else if (found === ')') depth--;
    else quote = found;
  }
  return { quote, depth };
}

/** A body of SQL statements ends with a line of its own. https://www.postgresql.org/docs/current/sql-createfunction.html */
function isEnd(line: string, statement: readonly string[]): boolean {
  if (!line.endsWith(';')) return false;
  const isRoutine = /^CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE) /.test(statement[0] ?? '');
  return !isRoutine || line === 'END;' || !statement.some((one) => /\bBEGIN ATOMIC$/.test(one));
}

// Not readline, which waits forever for a stream that fails.
async function* linesOf(input: Readable): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of input.setEncoding('utf8')) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
  if (rest !== '') yield rest;
}

function refuseCommand(line: string): void {
  if (/^\\(?:un)?restrict /.test(line)) return;
  throw new UndropError('backup-unproved', {
    subject: line.slice(0, 60),
    message: 'The backup holds a command for psql, which pg_dump does not write.',
    reason: `It says: ${line.slice(0, 200)}`,
    next: 'Do not run it. Find out who has changed the file, and take another backup.',
  });
}

function refused(sql: string, cause: Error): UndropError {
  return new UndropError('backup-unproved', {
    subject: sql.split('\n')[0]?.slice(0, 100) ?? '',
    message: 'The server refused a statement of the backup.',
    reason: cause.message,
    next: 'Where what it names lies in the place that it is restored to, mend that; else take another backup.',
    cause,
  });
}
