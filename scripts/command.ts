import { dirname, join } from 'node:path';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import createKnex, { type Knex } from 'knex';
import { parseRoots } from '../src/audit/code/search.ts';
import { exitCodeOf, isUndropError, sqlState, UndropError } from '../src/errors.ts';
import { loadEnv, projectFolder, resolveTarget } from '../src/knex/connection.ts';
import type { Target } from '../src/knex/target.ts';
import { undropConfig } from '../src/migration/knex-config.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession, type Session } from '../src/session/session.ts';
import { control, printable } from '../src/text/printable.ts';
import { interruptible } from './interruptible.ts';

/** A command that leaves its mistakes to `fail`. */
export function makeCommand(name: string, summary: string): Command {
  return new Command(name)
    .description(summary)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
}

/** The options that every command has. */
export function withFormat(command: Command): Command {
  return command
    .addOption(new Option('--format <format>', 'what to print').choices(['text', 'json']).default('text'))
    .addOption(new Option('--json', 'the same as --format json').implies({ format: 'json' }));
}

/** For a command that can print more than text and JSON; the first format is the default. */
export function withFormats(command: Command, first: Format, ...others: readonly Format[]): Command {
  const format = command.options.find(({ long }) => long === '--format');
  format?.choices([first, ...others]).default(first);
  // The default that the option had when it was added is in force already.
  return command.setOptionValueWithSource('format', first, 'default');
}

type Format = 'text' | 'json' | 'markdown' | 'html';

/** What a command gives: with a failure, it has looked and found something that is not as it should be. */
interface Result {
  readonly database: string;
  readonly failure?: UndropError | undefined;
}

type Print<Given> = (given: Given) => string | Promise<string>;

/**
 * Does the work of a command and prints what it gave: as JSON, or as `print` writes it, in text or in other formats.
 *
 * @param work is told by its signal when it is to end
 */
export async function run<Given extends Result>(
  command: Command,
  work: (signal: AbortSignal) => Promise<Given>,
  print: Print<Given> | Partial<Record<Format, Print<Given>>>,
  write: (text: string) => Promise<void> | void = toStdout,
): Promise<void> {
  const given = await interruptible(`The ${command.name()}`, work);
  const { failure, ...data } = given;
  const format: Format = command.opts().format;
  if (format === 'json') {
    const error = failure === undefined ? {} : { error: describe(failure) };
    await write(toJson({ formatVersion: 1, command: command.name(), ...data, ...error }));
  } else {
    const printed = typeof print === 'function' ? print : print[format];
    await write((await printed?.(given)) ?? '');
  }
  if (failure !== undefined) report(failure);
}

/** An argument that is a number of things. */
export function toCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It takes a number.');
  return Number(text);
}

/** An argument that is the number of something. */
export function toNumber(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('It takes a number from 1.');
  return Number(text);
}

/** What `--code` names; else what CODE_ROOTS does, which `.env` may set: so not before the connection is made. */
export function codeRoots(code: string | undefined): string[] {
  return parseRoots(code ?? process.env.CODE_ROOTS ?? '');
}

/** Those beside this program where it is the project, so that a build finds its own; else those of the project. */
export function migrationsFolder(): string {
  const program = join(import.meta.dirname, '..');
  const project = projectFolder();
  const isProject = program === project || dirname(program) === project;
  return join(isProject ? program : project, 'migrations');
}

/** Works on the database that the environment names. */
export async function withTarget<T>(work: (knex: Knex, target: Target) => Promise<T>): Promise<T> {
  const root = projectFolder();
  loadEnv(root);
  const target = await resolveTarget(process.env, root);
  const knex = createKnex(undropConfig({ root, connection: target }));
  try {
    return await work(knex, target);
  } finally {
    await knex.destroy();
  }
}

/** Works in one transaction, and gives the name of the database along. */
export function writing<T extends object>(work: (session: Session) => Promise<T>) {
  return withTarget((knex) => inSession(knex, (session) => named(session, work)));
}

/** As `writing`, but changes nothing. */
export function reading<T extends object>(work: (session: Session) => Promise<T>) {
  return withTarget((knex) => inReadOnlySession(knex, (session) => named(session, work)));
}

async function named<T extends object>(session: Session, work: (session: Session) => Promise<T>) {
  return { database: session.database, ...(await work(session)) };
}

/** Prints what was thrown, and sets the exit code: 1 failed, 2 wrong usage, 3 refused. */
export function fail(thrown: unknown, command: Command, asJson: boolean): void {
  if (thrown instanceof CommanderError && thrown.exitCode === 0) return;
  const error = toUndropError(thrown, command);
  if (asJson) toStdout(toJson({ formatVersion: 1, command: command.name(), error: describe(error) }));
  report(error, thrown);
}

function report(error: UndropError, thrown: unknown = error): void {
  process.exitCode = exitCodeOf(error);
  const stack = process.env.DEBUG && thrown instanceof Error ? `\n${thrown.stack}` : '';
  process.stderr.write(`${withoutSecrets(String(error) + stack)}\n`);
}

function toStdout(text: string): void {
  process.stdout.write(text);
}

function toJson(value: object): string {
  // JSON may hold what steers a terminal, as text; escaped, it means the same.
  const text = JSON.stringify(value, null, 2).replace(control, (character) =>
    character === '\n' ? character : printable(character),
  );
  return `${text}\n`;
}

function describe({ code, subject, message, reason, next }: UndropError) {
  return { code, subject, message, reason: withoutSecrets(reason), next };
}

function toUndropError(thrown: unknown, command: Command): UndropError {
  if (isUndropError(thrown)) return thrown;
  if (thrown instanceof CommanderError) return wrongUsage(thrown, command);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const state = sqlState(thrown);
  return new UndropError('server-error', {
    subject: command.name(),
    message: withoutSecrets(message.split('\n')[0] || 'It failed without a word.'),
    reason:
      state === undefined ? 'Nothing here expects this.' : `The server answered with SQLSTATE ${state}.`,
    next: 'DEBUG=1 shows where it comes from.',
    cause: thrown,
  });
}

function wrongUsage(error: CommanderError, command: Command): UndropError {
  const name = command.parent === null ? command.name() : `${command.parent.name()} ${command.name()}`;
  const said =
    error.code === 'commander.help' ? 'it names no command' : error.message.replace(/^error: /, '');
  return new UndropError('bad-options', {
    subject: command.name(),
    message: said,
    reason: `It is used as: ${name} ${command.usage()}`,
    next: `${name} --help lists what there is.`,
    cause: error,
  });
}

/** The driver prints no password; this is for the day on which it does. */
function withoutSecrets(text: string): string {
  const { DATABASE_URL = '', PGPASSWORD = '' } = process.env;
  const inUrl = /^[^:]+:\/\/[^:@/]*:([^@]*)@/.exec(DATABASE_URL)?.[1] ?? '';
  const secrets = [DATABASE_URL, PGPASSWORD, inUrl, unescaped(inUrl)].filter((secret) => secret.length > 3);
  return secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
