import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import createKnex, { type Knex } from 'knex';
import { parseRoots } from '../src/audit/code/search.ts';
import { exitCodeOf, isUndropError, sqlState, UndropError } from '../src/errors.ts';
import { announce } from '../src/knex/announce.ts';
import { loadEnv } from '../src/knex/env-file.ts';
import { findTarget } from '../src/knex/find-target.ts';
import type { Target } from '../src/knex/target.ts';
import { undropConfig } from '../src/migration/knex-config.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession, type Session } from '../src/session/session.ts';
import { control, printable } from '../src/text/printable.ts';
import { projectFolder } from '../src/text/project-folder.ts';
import { interruptible } from './interruptible.ts';

/** A command whose errors `fail` prints. */
export function makeCommand(name: string, summary: string): Command {
  return new Command(name)
    .description(summary)
    .exitOverride()
    .configureOutput({ outputError: () => undefined });
}

/** The options that every command has. */
export function withFormat(command: Command): Command {
  return command
    .addOption(new Option('--format <format>', 'output format').choices(['text', 'json']).default('text'))
    .addOption(new Option('--json', 'the same as --format json').implies({ format: 'json' }));
}

/** For a command that can print more than text and JSON; the first format is the default. */
export function withFormats(command: Command, first: Format, ...others: readonly Format[]): Command {
  const format = command.options.find(({ long }) => long === '--format');
  format?.choices([first, ...others]).default(first);
  // Commander has applied the former default already.
  return command.setOptionValueWithSource('format', first, 'default');
}

type Format = 'text' | 'json' | 'markdown' | 'html';

/** The result of a command. */
interface Result {
  readonly database: string;
  /** A failed check, reported after the result is printed. */
  readonly failure?: UndropError | undefined;
}

type Print<Given> = (given: Given) => string | Promise<string>;

/**
 * Does the work of a command and prints its result: as JSON, or in text or another format by `print`.
 *
 * @param work receives a signal that is aborted when the process is to end
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

/** Parses an argument that is a count. */
export function toCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('It takes a number.');
  return Number(text);
}

/** Parses an argument that is a number of an entry or the like. */
export function toNumber(text: string): number {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new InvalidArgumentError('It takes a number from 1.');
  return Number(text);
}

/** The folders of `--code`, or else of CODE_ROOTS. Call it after `.env` is loaded, which may set CODE_ROOTS. */
export function codeRoots(code: string | undefined): string[] {
  return parseRoots(code ?? process.env.CODE_ROOTS ?? '');
}

/** Does the work on the database that the environment names. */
export async function withTarget<T>(
  work: (knex: Knex, target: Target) => Promise<T>,
  root: string = projectFolder(),
): Promise<T> {
  loadEnv(root);
  const target = await findTarget(process.env, { from: root });
  announce(target);
  const knex = createKnex(undropConfig({ root, connection: target }));
  try {
    return await work(knex, target);
  } finally {
    await knex.destroy();
  }
}

/** Does the work in one transaction, and adds the name of the database to its result. */
export function writing<T extends object>(work: (session: Session) => Promise<T>) {
  return withTarget((knex) => inSession(knex, (session) => named(session, work)));
}

/** Like `writing`, but in a read-only transaction. */
export function reading<T extends object>(work: (session: Session) => Promise<T>) {
  return withTarget((knex) => inReadOnlySession(knex, (session) => named(session, work)));
}

/** Adds the name of the database to the result of the work. */
export async function named<T extends object>(session: Session, work: (session: Session) => Promise<T>) {
  return { database: session.database, ...(await work(session)) };
}

/** Prints an error, and sets the exit code: 1 failed, 2 wrong usage, 3 refused. */
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
  // Control characters in strings could control a terminal. Escaped, they mean the same in JSON.
  const text = JSON.stringify(value, null, 2).replace(control, (character) =>
    character === '\n' ? character : printable(character),
  );
  return `${text}\n`;
}

function describe({ code, subject, message, reason, next }: UndropError) {
  const masked = [subject, message, reason].map(withoutSecrets);
  return { code, subject: masked[0], message: masked[1], reason: masked[2], next };
}

function toUndropError(thrown: unknown, command: Command): UndropError {
  if (isUndropError(thrown)) return thrown;
  if (thrown instanceof CommanderError) return wrongUsage(thrown, command);
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const state = sqlState(thrown);
  return new UndropError('server-error', {
    subject: command.name(),
    message: withoutSecrets(message.split('\n')[0] || 'The command failed without a message.'),
    reason: state === undefined ? 'The error is unexpected.' : `The server reported SQLSTATE ${state}.`,
    next: 'Run the command with DEBUG=1 to see the stack trace.',
    cause: thrown,
  });
}

function wrongUsage(error: CommanderError, command: Command): UndropError {
  const name = command.parent === null ? command.name() : `${command.parent.name()} ${command.name()}`;
  const message =
    error.code === 'commander.help' ? 'no command was given' : error.message.replace(/^error: /, '');
  return new UndropError('bad-options', {
    subject: command.name(),
    message,
    reason: `Usage: ${name} ${command.usage()}`,
    next: `For help: ${name} --help`,
    cause: error,
  });
}

/** Removes passwords: the driver prints none, but an argument that could not be parsed may contain a URL. */
function withoutSecrets(text: string): string {
  const { DATABASE_URL = '', PGPASSWORD = '' } = process.env;
  const inUrl = /^[^:]+:\/\/[^:@/]*:([^@]*)@/.exec(DATABASE_URL)?.[1] ?? '';
  const secrets = [DATABASE_URL, PGPASSWORD, inUrl, unescaped(inUrl)].filter((secret) => secret.length > 3);
  const masked = secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
  // Not in `postgres://user:password@host`, the form of a URL that errors show.
  return masked
    .replace(/(:\/\/[^\s:@/]*:)(?!password@)[^\s@]+@/g, '$1***@')
    .replace(/([?&]password=)[^\s&]+/gi, '$1***');
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
