import { StringDecoder } from 'node:string_decoder';
import type { Session } from '../session/session.ts';

/** The COPY statement of a script: `copy public.t (a, b) from stdin;` */
export function copyStatement(table: string, columns: string | null): string {
  return `${prefix}${table}${columns === null ? '' : ` (${columns})`}${suffix}`;
}

/** The table of a statement of `copyStatement`, qualified and quoted. */
export function tableOf(copy: string): string {
  const name = String.raw`(?:"(?:[^"]|"")+"|[^"\s.(]+)`;
  return new RegExp(`^${prefix}(${name}(?:\\.${name})?)`).exec(copy)?.[1] ?? '';
}

const prefix = 'copy ';
const suffix = ' from stdin;';

// The protocol limits a statement to 65535 parameters.
const mostValues = 5000;

/**
 * Inserts rows that are in COPY's text format, on a server that does not support COPY FROM STDIN.
 *
 * @param copy a statement of `copyStatement`
 */
export async function insertRows(session: Session, copy: string, rows: AsyncIterable<Buffer>): Promise<void> {
  const target = copy.slice(prefix.length, -suffix.length);
  // A table name that ends with a parenthesis is quoted, and ends with a quote.
  const hasColumns = target.endsWith(')');
  let batch: (string | null)[][] = [];
  const send = async () => {
    const [row = []] = batch;
    const places = batch.map(
      (_, index) => `(${row.map((_, column) => `$${index * row.length + column + 1}`).join(', ')})`,
    );
    await session.run(
      hasColumns
        ? `insert into ${target} overriding system value values ${places.join(', ')}`
        : `insert into ${target} default values`,
      batch.flat(),
    );
    batch = [];
  };
  for await (const line of linesOf(rows)) {
    const row = hasColumns ? line.split('\t').map(unescaped) : [];
    batch.push(row);
    if (!hasColumns || (batch.length + 1) * row.length > mostValues) await send();
  }
  if (batch.length > 0) await send();
}

async function* linesOf(rows: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for await (const chunk of rows) {
    const lines = `${rest}${decoder.write(chunk)}`.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

// https://www.postgresql.org/docs/current/sql-copy.html#SQL-COPY-FILE-FORMATS
const escapes: Readonly<Record<string, string>> = {
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

function unescaped(text: string): string | null {
  if (text === '\\N') return null;
  return text.replaceAll(/\\(.)/gs, (_, letter: string) => escapes[letter] ?? letter);
}
