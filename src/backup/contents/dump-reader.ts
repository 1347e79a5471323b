import { UndropError } from '../../errors.ts';

/**
 * A piece of the SQL that pg_dump and pg_restore write. A statement is complete and has no semicolon. The rows of a COPY
 * are passed on as they are read, in pieces that may end in the middle of a line.
 */
export type DumpPiece =
  | {
      readonly kind: 'statement';
      readonly text: Buffer;
      /** The number of pairs of parentheses at the outermost level. */
      readonly groups: number;
    }
  | { readonly kind: 'copy'; readonly text: Buffer }
  | { readonly kind: 'rows'; readonly data: Buffer }
  | { readonly kind: 'end of rows' }
  /** pg_dump's last line. */
  | { readonly kind: 'complete' };

/**
 * Splits a dump into pieces. Skips the psql meta-commands `\restrict` and `\unrestrict`, which pg_dump writes.
 *
 * @throws UndropError `backup-unproved` at any other psql meta-command, and any error of the input
 */
export async function* readDump(input: AsyncIterable<Buffer>): AsyncGenerator<DumpPiece> {
  const splitter = new Splitter();
  for await (const chunk of input) yield* splitter.add(chunk);
  yield* splitter.end();
}

// In every server encoding of PostgreSQL, ASCII characters have the same bytes as in latin1, so an offset in the latin1
// text is an offset in the data. Identifiers with other characters are always quoted in a dump.
const token = /'|"|\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$|--|;|\(|\)|\\|\b(?:BEGIN ATOMIC|CASE|END)\b/g;
const routine = /^CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE) /;
const fence = /^\\(?:un)?restrict \w+\s*$/;
const fromStdin = Buffer.from(' FROM stdin');
const newline = 10;
const dot = 46;
const backslash = 92;

class Splitter {
  /** The beginning of a line whose end is not read yet. */
  #partial: Buffer[] = [];
  #pieces: DumpPiece[] = [];
  #inRows = false;
  #atLineStart = false;
  /** The statement that is being read; undefined between statements. */
  #statement: Buffer[] | undefined;
  /** The delimiter that ends the string, name or body that is being read. */
  #quote: string | undefined;
  #depth = 0;
  #groups = 0;
  #isRoutine = false;
  /** In the body of a routine: the number of END keywords still expected. */
  #blocks = 0;

  add(chunk: Buffer): DumpPiece[] {
    // Concatenate a long line once, not at each of its pieces.
    if (!this.#inRows && !chunk.includes(newline)) {
      this.#partial.push(chunk);
      return [];
    }
    const data = this.#partial.length === 0 ? chunk : Buffer.concat([...this.#partial, chunk]);
    return this.#read(data, data.lastIndexOf(newline) + 1);
  }

  end(): DumpPiece[] {
    const data = Buffer.concat(this.#partial);
    return this.#read(data, data.length);
  }

  /** Reads statements up to the end of the last complete line, and all rows. */
  #read(data: Buffer, limit: number): DumpPiece[] {
    this.#partial = [];
    let at = 0;
    while (at < (this.#inRows ? data.length : limit)) {
      const next = this.#inRows ? this.#readRows(data, at) : this.#readStatements(data, at, limit);
      if (next === at) break;
      at = next;
    }
    if (at < data.length) this.#partial.push(data.subarray(at));
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** Returns the offset after the rows that were read, or `from` if the end of a line has to be read first. */
  #readRows(data: Buffer, from: number): number {
    const mayEnd = this.#atLineStart && data[from] === backslash;
    if (mayEnd && from + 1 === data.length) return from;
    const ends = mayEnd && data[from + 1] === dot;
    const found = ends ? from : data.indexOf('\n\\.', from) + 1;
    if (ends || found > 0) {
      this.#addRows(data.subarray(from, found));
      this.#atLineStart = true;
      const end = data.indexOf(newline, found);
      if (end < 0) return found;
      this.#pieces.push({ kind: 'end of rows' });
      this.#inRows = false;
      return end + 1;
    }
    // A backslash at the end of the data may begin the line that ends the rows.
    const isOpen = data.at(-1) === backslash && data.at(-2) === newline;
    const until = isOpen ? data.length - 1 : data.length;
    this.#addRows(data.subarray(from, until));
    this.#atLineStart = data[until - 1] === newline;
    return until;
  }

  #addRows(data: Buffer): void {
    if (data.length > 0) this.#pieces.push({ kind: 'rows', data });
  }

  #readStatements(data: Buffer, from: number, limit: number): number {
    const text = data.toString('latin1', from, limit);
    let at = 0;
    let start = 0; // of the text not yet added to the statement
    while (at < text.length && !this.#inRows) {
      if (this.#statement === undefined) {
        at = this.#readBetween(text, at);
        start = at;
        continue;
      }
      if (this.#quote !== undefined) {
        const end = text.indexOf(this.#quote, at);
        at = end < 0 ? text.length : end + this.#quote.length;
        if (end >= 0) this.#quote = undefined;
        continue;
      }
      token.lastIndex = at;
      const found = token.exec(text);
      if (found === null) break;
      at = token.lastIndex;
      if (found[0] === '--') at = endOfLine(text, at);
      else if (this.#take(found[0])) {
        this.#statement.push(data.subarray(from + start, from + found.index));
        at = this.#endStatement(text, at);
        start = at;
      }
    }
    if (this.#inRows) return from + at;
    this.#statement?.push(data.subarray(from + start, limit));
    return limit;
  }

  /** Skips white space, comments and psql meta-commands, up to the beginning of a statement. Returns the new offset. */
  #readBetween(text: string, from: number): number {
    const at = from + text.slice(from).search(/\S|$/);
    if (at === text.length) return at;
    const end = endOfLine(text, at);
    if (text.startsWith('--', at)) {
      if (text.startsWith('-- PostgreSQL database dump complete', at))
        this.#pieces.push({ kind: 'complete' });
      return end;
    }
    if (text[at] === '\\') {
      const command = text.slice(at, end);
      if (!fence.test(command)) throw isCommand(command);
      return end;
    }
    this.#statement = [];
    this.#depth = 0;
    this.#groups = 0;
    this.#blocks = 0;
    this.#isRoutine = routine.test(text.slice(at, at + 40));
    return at;
  }

  /** Processes a token. Returns whether it ends the statement. */
  #take(found: string): boolean {
    switch (found) {
      case ';':
        // A semicolon inside the actions of a rule or the body of a routine does not end the statement.
        return this.#depth === 0 && this.#blocks === 0;
      case '(':
        this.#depth += 1;
        return false;
      case ')':
        this.#depth -= 1;
        if (this.#depth === 0) this.#groups += 1;
        return false;
      case 'BEGIN ATOMIC':
        if (this.#isRoutine) this.#blocks += 1;
        return false;
      case 'CASE':
        if (this.#blocks > 0) this.#blocks += 1;
        return false;
      case 'END':
        if (this.#blocks > 0) this.#blocks -= 1;
        return false;
      case '\\':
        throw isCommand(found);
      default:
        this.#quote = found;
        return false;
    }
  }

  #endStatement(line: string, at: number): number {
    const text = Buffer.concat(this.#statement ?? []);
    this.#statement = undefined;
    this.#inRows = text.indexOf('COPY ') === 0 && text.subarray(-11).equals(fromStdin);
    this.#atLineStart = true;
    this.#pieces.push(
      this.#inRows ? { kind: 'copy', text } : { kind: 'statement', text, groups: this.#groups },
    );
    return this.#inRows ? endOfLine(line, at) : at;
  }
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf('\n', from);
  return end < 0 ? text.length : end + 1;
}

function isCommand(text: string): UndropError {
  return new UndropError('backup-unproved', {
    subject: text.trim().slice(0, 60),
    message: 'The backup contains a psql meta-command that pg_dump does not write.',
    reason: `The command is: ${text.trim().slice(0, 200)}`,
    next: 'Do not run the file with psql. Find out who changed it, and take another backup.',
  });
}
