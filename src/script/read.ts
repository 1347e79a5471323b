import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { UndropError } from '../errors.ts';

/** A statement of a script; with the rows that follow it, where it is `copy … from stdin`. */
export interface ScriptPart {
  readonly sql: string;
  /** In COPY's text format. To be read to the end before the next part is asked for. */
  readonly rows: AsyncIterable<Buffer> | undefined;
}

/** The first has no rows. */
const formats = 2;

const firstLine = /^-- undrop ddl, format (\d+), separator (-{2,}), sha256 ([0-9a-f]{64})\n/;
const longest = 1024;

/**
 * The statements of a script that `ddl` or `archive --export` wrote, without its settings and its transaction. The
 * file is read through before the first one is given, and never held in memory.
 *
 * @throws UndropError `bad-options` where it cannot be read, is something else, was changed, or is of a newer format
 */
export async function readScript<T>(
  file: string,
  work: (parts: AsyncIterable<ScriptPart>) => Promise<T>,
): Promise<T> {
  const handle = await open(file).catch((error: Error) => {
    throw unusable(file, error.message, 'Correct the path.');
  });
  try {
    const { length, separator, copies } = await readHead(handle, file);
    return await work(readParts(new Lines(read(handle, length)), separator, copies));
  } finally {
    await handle.close();
  }
}

interface Head {
  /** Of the first line. */
  readonly length: number;
  readonly separator: string;
  /** Whether rows may stand in it. */
  readonly copies: boolean;
}

async function readHead(handle: FileHandle, file: string): Promise<Head> {
  // A folder can be opened, but not read.
  const { buffer, bytesRead } = await handle
    .read(Buffer.alloc(longest), 0, longest, 0)
    .catch((error: Error) => {
      throw unusable(file, error.message, 'Correct the path.');
    });
  const head = firstLine.exec(buffer.toString('latin1', 0, bytesRead));
  if (head === null) {
    throw unusable(
      file,
      'It does not begin with the line that undrop ddl writes.',
      'Run it with psql instead.',
    );
  }
  const [line, version, separator = '', checksum] = head;
  if (Number(version) > formats) {
    throw unusable(file, `Its format is ${version}, newer than ${formats}.`, 'Use a newer knex-undrop.');
  }
  const hash = createHash('sha256');
  for await (const chunk of read(handle, line.length)) hash.update(chunk);
  if (hash.digest('hex') !== checksum) {
    throw unusable(
      file,
      'It was changed, or cut off, since undrop wrote it; Git or an editor may have changed its line ends.',
      'Fetch it again as it was. What was changed on purpose can be run with psql.',
    );
  }
  return { length: line.length, separator, copies: Number(version) > 1 };
}

function read(handle: FileHandle, start: number): AsyncIterable<Buffer> {
  return handle.createReadStream({ start, autoClose: false, highWaterMark: 1 << 20 });
}

// Between two lines with the separator stands one statement; before a COPY the separator says how many lines it has,
// since its rows follow at once. What is before the first separator and after the last one is no statement.
async function* readParts(lines: Lines, separator: string, copies: boolean): AsyncGenerator<ScriptPart> {
  const copy = new RegExp(`^${separator} copy (\\d+)$`);
  let statement: string[] | undefined;
  for (let line = await lines.next(); line !== undefined; line = await lines.next()) {
    const [, count] = (copies && copy.exec(line)) || [];
    if (line !== separator && count === undefined) {
      statement?.push(line);
      continue;
    }
    if (statement !== undefined && statement.length > 0) yield { sql: statement.join('\n'), rows: undefined };
    statement = [];
    if (count === undefined) continue;
    const sql: string[] = [];
    while (sql.length < Number(count)) sql.push((await lines.next()) ?? '');
    yield { sql: sql.join('\n'), rows: lines.rows() };
  }
}

const end = Buffer.from('\n\\.\n');

class Lines {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Buffer>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Without its line feed; undefined at the end. */
  async next(): Promise<string | undefined> {
    let at = this.#rest.indexOf('\n');
    for (; at < 0; at = this.#rest.indexOf('\n')) if (!(await this.#more())) return undefined;
    const line = this.#rest.toString('utf8', 0, at);
    this.#rest = this.#rest.subarray(at + 1);
    return line;
  }

  /** All up to the line `\.`, which is taken away. */
  async *rows(): AsyncGenerator<Buffer> {
    // The end is known by the line feed before it, which that of the statement may be.
    this.#rest = Buffer.concat([Buffer.from('\n'), this.#rest]);
    let skip = 1;
    for (;;) {
      const at = this.#rest.indexOf(end);
      const length = at < 0 ? this.#rest.length - end.length + 1 : at + 1;
      if (length > skip) {
        yield this.#rest.subarray(skip, length);
        this.#rest = this.#rest.subarray(length);
        skip = 0;
      } else if (at >= 0) this.#rest = this.#rest.subarray(length);
      if (at >= 0) {
        this.#rest = this.#rest.subarray(end.length - 1);
        return;
      }
      if (!(await this.#more())) throw new Error('The rows have no end.');
    }
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next();
    if (next.done) return false;
    this.#rest = Buffer.concat([this.#rest, next.value]);
    return true;
  }
}

function unusable(file: string, reason: string, next: string): UndropError {
  return new UndropError('bad-options', {
    subject: file,
    message: `${file} cannot be replayed.`,
    reason,
    next,
  });
}
