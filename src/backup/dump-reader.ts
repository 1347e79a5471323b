import type { Readable } from 'node:stream';

export interface DumpContents {
  /** Of each CREATE TABLE, `tableKey` of its name. */
  tables: Set<string>;
  /** Whether pg_dump's last line is there. */
  complete: boolean;
}

/** Schema and name as one string that no other pair gives. */
export function tableKey({ schema, name }: { schema: string; name: string }): string {
  return JSON.stringify([schema, name]);
}

const identifier = String.raw`("(?:[^"]|"")+"|[^\s."(]+)`;
const createTable = new RegExp(`^CREATE (?:UNLOGGED )?TABLE ${identifier}\\.${identifier}`);
const special = /'|"|\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$|--|;/g;
// Longer than any CREATE TABLE with the longest names; the rest of a statement is of no interest.
const headLength = 1000;

/** Reads the SQL that pg_dump or pg_restore writes, without holding more than a line of it. Throws as the stream does. */
export async function readDump(input: Readable): Promise<DumpContents> {
  const contents: DumpContents = { tables: new Set(), complete: false };
  let inRows = false;
  let quote: string | undefined; // what ends the string, name or body that the line begins in
  let head = ''; // the beginning of the statement so far
  const endStatement = (): void => {
    const [, schema, name] = createTable.exec(head) ?? [];
    if (schema && name) contents.tables.add(tableKey({ schema: unquoted(schema), name: unquoted(name) }));
    inRows = /^COPY .* FROM stdin$/s.test(head);
    head = '';
  };
  const add = (text: string): void => {
    if (head.length < headLength) head = (head + text.slice(0, headLength)).trimStart();
  };

  for await (const line of linesOf(input)) {
    if (inRows) {
      if (line.trimEnd() === '\\.') inRows = false;
      continue;
    }
    let at = 0;
    while (at < line.length) {
      const from = at;
      if (quote !== undefined) {
        const end = line.indexOf(quote, at);
        at = end < 0 ? line.length : end + quote.length;
        if (end >= 0) quote = undefined;
        add(line.slice(from, at));
        continue;
      }
      special.lastIndex = at;
      const found = special.exec(line);
      add(line.slice(from, found?.index));
      at = found ? special.lastIndex : line.length;
      if (found?.[0] === '--') {
        if (line.startsWith('-- PostgreSQL database dump complete')) contents.complete = true;
        at = line.length;
      } else if (found?.[0] === ';') {
        endStatement();
      } else if (found) {
        quote = found[0];
        add(quote);
      }
    }
    add('\n');
    // psql's own commands, such as \restrict, end with their line.
    if (quote === undefined && head.startsWith('\\')) head = '';
  }
  return contents;
}

// Not readline, which waits forever for a stream that fails.
async function* linesOf(input: Readable): AsyncGenerator<string> {
  let pieces: string[] = [];
  for await (const chunk of input.setEncoding('utf8')) {
    const lines = String(chunk).split('\n');
    const last = lines.pop() ?? '';
    for (const line of lines) {
      yield pieces.join('') + line;
      pieces = [];
    }
    pieces.push(last);
  }
  yield pieces.join('');
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}
