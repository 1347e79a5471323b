import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Knex } from 'knex';
import { type Audit, type Evidence, readEvidence } from '../audit/audit.ts';
import { judgeEvidence } from '../audit/judge-evidence.ts';
import { reasonToDrop } from '../audit/reason.ts';
import type { Verdict } from '../audit/verdict.ts';
import { UndropError } from '../errors.ts';
import { parseOptions } from '../options/options.ts';
import { parseTableName, writtenName } from '../options/table-name.ts';
import { type MigrationPreflight, preflightDrops } from '../preflight/preflight.ts';
import { writeNewFile } from '../script/write-new-file.ts';
import { inReadOnlySession } from '../session/read-only.ts';
import { isStorable } from '../text/printable.ts';
import { draftMigration } from './draft.ts';
import { findPlace, type Project } from './place.ts';
import { type Draft, migrationText } from './text.ts';

export interface MakeOptions {
  /** The name, to which a timestamp is added. */
  readonly name: string;
  /** The tables; empty for those that the audit finds. */
  readonly tables: readonly string[];
  /** The reason for tables of which the audit gives none. */
  readonly reason?: string | undefined;
  readonly extension?: string | undefined;
  readonly decisions?: string | undefined;
  readonly code?: readonly string[] | undefined;
}

export interface Made {
  readonly database: string;
  readonly files: readonly { readonly file: string; readonly migration: string }[];
  /** What `preflight` finds for the written migrations. */
  readonly migrations: readonly MigrationPreflight[];
}

/**
 * Writes one migration of the named tables; or else one of the candidates of the audit, and one of its questions, whose
 * tables each need an approval.
 *
 * @throws UndropError `bad-options`, `name-taken`, and as `audit` and `up` for the tables; then nothing is written
 */
export async function makeMigrations(knex: Knex, project: Project, options: MakeOptions): Promise<Made> {
  checkName(options.name);
  const place = findPlace(project, options.extension);
  const evidence = await inReadOnlySession(knex, readEvidence);
  const audit = await judgeEvidence(evidence, { ...options, root: project.root });
  const now = Date.now();
  return inReadOnlySession(knex, async (session) => {
    const drafts: Draft[] = [];
    for (const { suffix, approval, tables } of choose(options, evidence, audit)) {
      const name = `${timestamp(now + drafts.length * 1000)}_${options.name}${suffix}`;
      drafts.push(await draftMigration(session, name, tables, approval));
    }
    const files = drafts.map((draft) => ({
      file: join(place.folder, `${draft.options.name}.${place.extension}`),
      migration: draft.options.name,
      text: migrationText(draft, place),
    }));
    const migrations = await preflightDrops(
      session,
      drafts.map((draft) => parseOptions(draft.options)),
      project.ledger,
    );
    await writeAll(files);
    return {
      database: session.database,
      files: files.map(({ file, migration }) => ({ file, migration })),
      migrations,
    };
  });
}

interface Choice {
  readonly suffix: string;
  readonly approval: 'none' | 'each-table';
  readonly tables: Readonly<Record<string, string>>;
}

function choose({ tables, reason = '' }: MakeOptions, evidence: Evidence, audit: Audit): Choice[] {
  if (tables.length > 0)
    return [{ suffix: '', approval: 'none', tables: explain(tables, reason, evidence, audit) }];
  const of = (verdict: Verdict) =>
    Object.fromEntries(
      audit.tables
        .filter((table) => table.verdict === verdict)
        .map((table) => [nameIn(evidence, table), reasonToDrop(table) ?? '']),
    );
  const choices: Choice[] = [
    { suffix: '', approval: 'none', tables: of('candidate') },
    { suffix: '_questions', approval: 'each-table', tables: of('ask') },
  ];
  return choices.filter((choice) => Object.keys(choice.tables).length > 0);
}

function explain(
  tables: readonly string[],
  reason: string,
  { path }: Evidence,
  audit: Audit,
): Record<string, string> {
  const reasonOf = (written: string) => {
    const { schema, name } = parseTableName(written);
    const schemas = schema === undefined ? path : [schema];
    const [found] = schemas.flatMap(
      (one) => audit.tables.find((table) => table.schema === one && table.name === name) ?? [],
    );
    return reason || (found && reasonToDrop(found)) || '';
  };
  return Object.fromEntries(tables.map((written) => [written, reasonOf(written)]));
}

/** Returns the name of a table without its schema, if the search path leads to it. */
function nameIn({ path, tables }: Evidence, { schema, name }: { schema: string; name: string }): string {
  const first = path.find((one) => tables.some((table) => table.schema === one && table.name === name));
  return writtenName(first === schema ? undefined : schema, name);
}

/** Returns a time as Knex writes it in front of the names of migrations: `20261129120000`. */
function timestamp(time: number): string {
  return new Date(time).toISOString().replaceAll(/\D/g, '').slice(0, 14);
}

async function writeAll(files: readonly { file: string; text: string }[]): Promise<void> {
  const written: string[] = [];
  try {
    for (const { file, text } of files) {
      await writeNewFile(file, text, false, 'A migration is never overwritten.', 'Choose another name.');
      written.push(file);
    }
  } catch (error) {
    for (const file of written) await rm(file);
    throw error;
  }
}

function checkName(name: string): void {
  if (/^[^-/\\\p{Cc}][^/\\\p{Cc}]*$/u.test(name) && isStorable(name)) return;
  throw new UndropError('bad-options', {
    subject: name,
    message: `${JSON.stringify(name)} cannot be the name of a migration.`,
    reason: 'The name becomes part of the name of its file.',
    next: 'Use letters, digits and underscores, as in drop_old_runs.',
  });
}
