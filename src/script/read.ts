import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { UndropError } from '../errors.ts';

/** A statement of a script, with the rows that follow a `copy … from stdin`. */
export interface ScriptPart {
  readonly sql: string;
  /** In COPY's text format. Must be read to the end before the next part is requested. */
  readonly rows: AsyncIterable<Buffer> | undefined;
}

/** The newest known format. Format 1 has no rows. */
const formats = 2;

const firstLine = /^-- undrop ddl, format (\d+), separator (-{2,}), sha256 ([0-9a-f]{64})\n/;
const longest = 1024;

/**
 * Reads the statements of a script that `ddl` or `archive --export` wrote, without its settings and its transaction.
 * The checksum of the whole file is checked first. The file is streamed.
 *
 * @throws UndropError `bad-options` where it cannot be read, is not such a script, was changed, or has a newer format
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
  /** The length of the first line. */
  readonly length: number;
  readonly separator: string;
  /** Whether the script may hold rows. */
  readonly copies: boolean;
}

async function readHead(handle: FileHandle, file: string): Promise<Head> {
  // Opening a folder succeeds; reading it fails.
  const { buffer, bytesRead } = await handle
    .read(Buffer.alloc(longest), 0, longest, 0)
    .catch((error: Error) => {
      throw unusable(file, error.message, 'Correct the path.');
    });
  const head = firstLine.exec(buffer.toString('latin1', 0, bytesRead));
  if (head === null) {
    throw unusable(
      file,
      'Its first line is not the one that undrop ddl writes.',
      'Run the file with psql instead.',
    );
  }
  const [line, version, separator = '', checksum] = head;
  if (Number(version) > formats) {
    throw unusable(
      file,
      `Its format is ${version}, and this version supports formats up to ${formats}.`,
      'Use a newer version of knex-undrop.',
    );
  }
  const hash = createHash('sha256');
  for await (const chunk of read(handle, line.length)) hash.update(chunk);
  if (hash.digest('hex') !== checksum) {
    throw unusable(
      file,
      'Its checksum does not match: it was changed or truncated after undrop wrote it. Git or an editor may have changed its line endings.',
      'Fetch the original file again. To run a file that was changed on purpose, use psql.',
    );
  }
  return { length: line.length, separator, copies: Number(version) > 1 };
}

function read(handle: FileHandle, start: number): AsyncIterable<Buffer> {
  return handle.createReadStream({ start, autoClose: false, highWaterMark: 1 << 20 });
}

// A statement is enclosed by two separator lines. The separator before a COPY holds the number of lines of the
// statement, since its rows follow directly. The text before the first and after the last separator is no statement.
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

  /** The next line, without its line feed; undefined at the end. */
  async next(): Promise<string | undefined> {
    let at = this.#rest.indexOf('\n');
    for (; at < 0; at = this.#rest.indexOf('\n')) if (!(await this.#more())) return undefined;
    const line = this.#rest.toString('utf8', 0, at);
    this.#rest = this.#rest.subarray(at + 1);
    return line;
  }

  /** Everything up to the line `\.`, which is consumed. */
  async *rows(): AsyncGenerator<Buffer> {
    // Where there are no rows, the line feed before `\.` is that of the statement.
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
      if (!(await this.#more())) throw new Error('The rows of a COPY do not end with a line \\.');
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
