import { UndropError } from '../errors.ts';
import { control, isStorable } from '../text/printable.ts';

/** The parts of a table name that the user wrote. Without a schema, the search path of the connection applies. */
export interface TableName {
  readonly written: string;
  readonly schema: string | undefined;
  readonly name: string;
}

/**
 * Parses `posts`, `app.posts`, `"My.Table"` or `app."Posts"`. As in Knex, unquoted names are taken literally:
 * `userPosts` is not folded to lower case.
 *
 * @throws UndropError `bad-options` if the text is not a table name
 */
export function parseTableName(written: string): TableName {
  const parts = splitQualified(written);
  if (parts === undefined || parts.length > 2 || parts.some((part) => part === '' || !isStorable(part))) {
    throw new UndropError('bad-options', {
      subject: written,
      message: `${JSON.stringify(written)} is not a valid table name.`,
      reason:
        'A name is table or schema.table; a part that contains a dot or a quote must be in double quotes.',
      next: 'Correct the name.',
    });
  }
  const [first = '', second] = parts;
  return second === undefined
    ? { written, schema: undefined, name: first }
    : { written, schema: first, name: second };
}

/** Returns a name in double quotes, escaped as by PostgreSQL's `quote_ident`, but always quoted. */
export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * Returns a name as an SQL identifier on one line, quoted only if needed: `posts`, `"My Table"`, `U&"two\000Alines"`.
 */
export function identifier(name: string): string {
  if (/^[a-z_][a-z0-9_$]*$/.test(name)) return name;
  if (name.search(control) < 0) return quoteName(name);
  const codeOf = (character: string) =>
    `\\${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
  return `U&${quoteName(name.replaceAll('\\', '\\\\').replace(control, codeOf))}`;
}

/** Returns a name as migrations and approvals write it: `posts`, `app.posts`, `"odd name"`. */
export function writtenName(schema: string | undefined, name: string): string {
  const part = (text: string) => (/^[A-Za-z_][\w$]*$/.test(text) ? text : quoteName(text));
  return schema === undefined ? part(name) : `${part(schema)}.${part(name)}`;
}

function splitQualified(written: string): string[] | undefined {
  const parts: string[] = [];
  let rest = written;
  for (;;) {
    const part = /^(?:"((?:[^"]|"")+)"|([^".]+))(\.|$)/s.exec(rest);
    if (part === null) return undefined;
    parts.push(part[1]?.replaceAll('""', '"') ?? part[2] ?? '');
    rest = rest.slice(part[0].length);
    if (part[3] === '') return parts;
  }
}
