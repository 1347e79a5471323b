/** One line for the operator, on stderr: stdout belongs to the command that runs, Knex's included. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** `1 table`, `6 tables`. */
export function countTables(tables: readonly unknown[]): string {
  return tables.length === 1 ? '1 table' : `${tables.length} tables`;
}
