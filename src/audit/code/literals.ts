/** A string literal in the code that contains SQL. Offsets count characters of the code read as Latin-1, that is, bytes. */
export interface Literal {
  readonly start: number;
  readonly end: number;
}

const verbs = [
  'select\\b',
  'with\\s+(?:recursive\\s+)?[\\w"]+\\s*(?:\\(|as\\b)',
  'insert\\s+into\\b',
  'update\\s+(?:only\\s+)?[^\\s,;()]+\\s+(?:as\\s+\\w+\\s+|\\w+\\s+)?set\\b',
  'delete\\s+from\\b',
  'merge\\s+into\\b',
  'truncate\\s',
  'copy\\s',
  '(?:create|alter|drop)\\s+(?:or\\s|temp|unlogged|table|view|materialized|index|unique|trigger|policy|rule|function)',
  'comment\\s+on\\b',
  'grant\\s',
  'revoke\\s',
  'lock\\s+table\\b',
].join('|');

const opening = new RegExp(`("""|'''|["'\`])(?:\\s|\\\\n)*(?:--[^\\n]*\\n\\s*)*(?=(?:${verbs}))`, 'gi');

/** The first words of SQL statements, for the scanner. */
export const firstWords = [
  'select',
  'with',
  'insert',
  'update',
  'delete',
  'merge',
  'truncate',
  'copy',
  'create',
  'alter',
  'drop',
  'comment',
  'grant',
  'revoke',
  'lock',
];

/** Finds quoted strings that begin like SQL, in any programming language. */
export function findLiterals(code: string): Literal[] {
  const literals: Literal[] = [];
  let after = 0;
  for (const match of code.matchAll(opening)) {
    const quote = match[1] ?? '';
    const start = match.index + quote.length;
    if (match.index < after) continue;
    const end = findEnd(code, start, quote);
    if (end === undefined) continue;
    literals.push({ start, end });
    after = end + quote.length;
  }
  return literals;
}

function findEnd(code: string, start: number, quote: string): number | undefined {
  for (let at = code.indexOf(quote, start); at >= 0; at = code.indexOf(quote, at + 1)) {
    let slashes = 0;
    while (code[at - 1 - slashes] === '\\') slashes += 1;
    if (slashes % 2 === 0) return at;
  }
  return undefined;
}

/**
 * Turns a literal into SQL without changing any offset: placeholders become 0, and escape characters become spaces.
 */
export function asSql(literal: string): string {
  const blank = (text: string) => '0'.padEnd(text.length);
  return literal
    .replaceAll(/\\([ntr])/g, '  ')
    .replaceAll(/\\(["'`\\$])/g, ' $1')
    .replaceAll(/\\\n/g, ' \n')
    .replaceAll(/[$#]\{[^{}]*\}|%\([\w.]+\)s|%[sd]|\{[\w.]*\}/g, blank)
    .replaceAll(/(?<![:\w]):[A-Za-z_]\w*|@[A-Za-z_]\w*|\$[A-Za-z_]\w*/g, blank)
    .replaceAll(/(?<=[\s(,=])\?(?=[\s),;]|$)/g, '0');
}

/** Replaces psql commands and COPY data in a script by spaces, without changing any offset. Returns also the commands. */
export function withoutPsql(script: string): { sql: string; commands: { start: number; end: number }[] } {
  const blank = (text: string) => text.replaceAll(/[^\n]/g, ' ');
  const commands: { start: number; end: number }[] = [];
  const sql = script
    .replaceAll(
      /^(copy\b[^;]*\bfrom\s+stdin\b[^;]*;[^\n]*\n)([\s\S]*?^\\\.)$/gim,
      (_, statement: string, data: string) => statement + blank(data),
    )
    .replaceAll(/^\s*\\[^\n]*$/gm, (command, start: number) => {
      commands.push({ start, end: start + command.length });
      return blank(command);
    });
  return { sql, commands };
}
