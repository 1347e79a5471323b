import { pins } from '../session/pinned-settings.ts';

/** The text before the statements of a script: comments, BEGIN, and the settings that the statements need. */
export function scriptHead(comments: string): string {
  const settings = Object.entries(pins).map(
    ([name, value]) => `set local ${name} = ${value.split(', ').map(literal).join(', ')};\n`,
  );
  return `${comments}begin;\n${settings.join('')}`.trimEnd();
}

/** The statement in a form in which psql substitutes no variables. */
export function scripted(sql: string): string {
  if (!isSubstituted(sql)) return `${sql};`;
  let tag = '$undrop';
  while (sql.includes(tag)) tag += '_';
  return `do ${tag}_do$ begin execute ${tag}$ ${sql} ${tag}$; end ${tag}_do$;`;
}

/** A comment line of dashes that no line of the statements begins with. */
export function findSeparator(parts: readonly string[]): string {
  let separator = '--';
  while (parts.some((part) => `\n${part}`.includes(`\n${separator}`))) separator += '-';
  return separator;
}

const quoted = /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$([A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$[\s\S]*?\$\1\$/g;

/**
 * Whether psql would substitute a variable, such as `:"USER"` in `a[1:"USER"]`.
 * https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-INTERPOLATION
 */
function isSubstituted(sql: string): boolean {
  // psql does not substitute inside quotes. The opening quote stays, since it may follow a colon.
  const rest = sql.replace(quoted, (text) => text.slice(0, 1).repeat(2));
  return /(?<!:):(?=['"{\w\u0080-\uffff])/.test(rest);
}

function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
