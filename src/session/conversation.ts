import { createHash } from 'node:crypto';
import type { Submittable } from 'pg';
import { Batch, type Prepared } from './batch.ts';

type Rows = Record<string, string | null>[];

/** What runs statements, as a client of `pg` does. */
export interface Connection {
  /** It sends what it is given without waiting, and takes no queries of other kinds. */
  readonly pipeline?: boolean;
  query(config: {
    name?: string;
    text: string;
    values?: readonly unknown[];
    types: object;
  }): Promise<{ rows: Rows }>;
  query<Stream extends Submittable>(stream: Stream): Stream;
}

/** Statements as they are, or one that is prepared. */
type Asked = Omit<Prepared, 'name' | 'values'> | Prepared;

// Values arrive as PostgreSQL writes them, whatever parsers the application has set for the driver.
const asText = { getTypeParser: () => (value: string) => value };

/** Says things to a server in the order in which they were asked for. What is asked for together is said together. */
export class Conversation {
  readonly #connection: Connection;
  #waiting: Asked[] = [];
  #isBusy = false;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Statements as they are, many without values. */
  run(text: string): Promise<Rows> {
    return this.#ask({ text });
  }

  /** One statement with values, planned once if it comes again. */
  prepared(text: string, values: readonly unknown[], comesAgain: boolean): Promise<Rows> {
    return this.#ask({ name: comesAgain ? nameOf(text) : '', text, values });
  }

  /** The same, which goes along with what is asked for next. */
  mention(text: string, values: readonly unknown[]): void {
    // Where it fails, so does what it goes along with.
    const ignored = () => undefined;
    this.#waiting.push({ name: nameOf(text), text, values, done: ignored, failed: ignored });
  }

  /** Rows of one query, every value as JSON carries it. It is planned once where it has a list of values, be it empty. */
  async read<Row extends object>(text: string, values?: readonly unknown[]): Promise<Row[]> {
    // Queries with values are few and come again; the text of others names what it is about.
    const [row] = await this.prepared(asJson(text), values ?? [], values !== undefined);
    return JSON.parse(row?.rows ?? '[]');
  }

  #ask(asked: { text: string } | { name: string; text: string; values: readonly unknown[] }): Promise<Rows> {
    return new Promise((done, failed) => {
      this.#waiting.push({ ...asked, done, failed });
      // Others may ask in the same breath: from within a promise, the next tick comes after all that it leads to.
      process.nextTick(() => this.#send());
    });
  }

  #send(): void {
    const [first] = this.#waiting;
    if (this.#isBusy || first === undefined) return;
    this.#isBusy = true;
    const ended = () => {
      this.#isBusy = false;
      this.#send();
    };
    if (!isPrepared(first) || this.#connection.pipeline === true) {
      this.#waiting.shift();
      this.#connection
        .query({ ...first, types: asText })
        .then(({ rows }) => first.done(rows), first.failed)
        .finally(ended);
      return;
    }
    const end = this.#waiting.findIndex((asked) => !isPrepared(asked));
    const batch = this.#waiting.splice(0, end < 0 ? this.#waiting.length : end).filter(isPrepared);
    this.#connection.query(new Batch(batch, ended));
  }
}

function isPrepared(asked: Asked): asked is Prepared {
  return 'name' in asked;
}

const names = new Map<string, string>();

function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = `undrop ${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
    names.set(text, name);
  }
  return name;
}

/** A query whose one row holds the rows of another one as JSON. */
export function asJson(sql: string): string {
  return `select coalesce(pg_catalog.json_agg(q), '[]')::text as rows from (${sql}\n) q`;
}
