/** One line for the operator, on stderr: stdout belongs to the command that runs, Knex's included. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
