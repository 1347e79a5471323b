import { readFile, writeFile } from 'node:fs/promises';
import { UndropError } from '../errors.ts';
import type { Migrations } from '../migration/migrations.ts';
import { approvalsFile, type KeptInFile, readApprovalsFile } from '../options/approvals-file.ts';
import { type PlannedTable, preflight } from '../preflight/preflight.ts';
import type { Session } from '../session/session.ts';
import { code } from '../text/markdown.ts';

export interface ApproveOptions {
  /** The project folder. */
  readonly root: string;
  readonly migrations: Migrations;
  /** The proposal. */
  readonly from: string;
  readonly by: string | null;
  readonly note: string | null;
}

export interface Approved {
  /** The path of `approvals.json`. */
  readonly file: string;
  readonly approved: readonly ProposedTable[];
  readonly notApproved: readonly ProposedTable[];
  readonly failure: UndropError | undefined;
}

interface ProposedTable {
  readonly migration: string;
  readonly table: string;
  readonly fingerprint: string;
}

/**
 * Records the ticked boxes of a proposal as approvals in `approvals.json`, and removes those of boxes that are not ticked.
 *
 * @throws UndropError `approval-stale` for tables that have changed since the proposal; `bad-options` if it cannot be read,
 * or no pending migration asks for an approval of a table. Nothing is written then. Returns `approval-missing` if no box is
 * ticked
 */
export async function approveProposal(session: Session, options: ApproveOptions): Promise<Approved> {
  const boxes = await readBoxes(options.from);
  const file = approvalsFile(options.root);
  const before = readApprovalsFile(file);
  const { migrations } = await preflight(session, options.migrations);
  const asked = new Map(
    migrations.flatMap(({ migration, tables }) =>
      tables
        .filter(({ approved }) => approved !== null)
        .map((table) => [code(table.table), { ...table, migration }] as const),
    ),
  );
  refuseUnknown(boxes, asked, options.from);
  refuseStale(boxes, asked, options.from);
  const of = (ticked: boolean) =>
    boxes.flatMap((box): ProposedTable[] => {
      const found = box.ticked === ticked ? asked.get(box.name) : undefined;
      return found === undefined
        ? []
        : [{ migration: found.migration, table: found.table, fingerprint: found.fingerprint }];
    });
  const [approved, notApproved] = [of(true), of(false)];
  const { by, note } = options;
  const at = new Date().toISOString();
  const kept = new Map(Object.entries(before));
  for (const { table } of notApproved) kept.delete(table);
  for (const { table, fingerprint } of approved) {
    const same = before[table]?.fingerprint === fingerprint ? before[table] : undefined;
    kept.set(table, same ?? ({ fingerprint, by, note, at } satisfies KeptInFile));
  }
  await writeFile(file, `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`);
  return {
    file,
    approved,
    notApproved,
    failure: approved.length === 0 ? noneTicked(options.from) : undefined,
  };
}

interface Box {
  readonly ticked: boolean;
  /** As `code` formats the name of the table. */
  readonly name: string;
  readonly fingerprint: string;
}

type Asked = ReadonlyMap<string, PlannedTable & { readonly migration: string }>;

const box = /^\s*[-*+] \[([ xX])\] `([^`]+)@([0-9a-f]{12})`/gm;

async function readBoxes(file: string): Promise<Box[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw unusable(file, (cause as Error).message, cause);
  }
  const boxes = [...text.matchAll(box)].map(([, tick = '', table = '', fingerprint = '']) => ({
    ticked: tick !== ' ',
    name: `\`${table}\``,
    fingerprint,
  }));
  if (boxes.length === 0) throw unusable(file, 'It has no box with a table and its fingerprint.');
  return boxes;
}

function refuseUnknown(boxes: readonly Box[], asked: Asked, file: string): void {
  const unknown = boxes.filter(({ ticked, name }) => ticked && !asked.has(name));
  if (unknown.length === 0) return;
  throw new UndropError('bad-options', {
    subject: file,
    message: `${file} approves ${unknown.map(({ name }) => name).join(', ')}, for which no pending migration needs an approval.`,
    reason:
      asked.size === 0
        ? 'No pending migration of this project has tables that need an approval.'
        : `Tables that need an approval: ${[...asked.values()].map(({ table }) => table).join(', ')}.`,
    next: 'Write the proposal again: undrop report --proposal --out <file>.',
  });
}

function refuseStale(boxes: readonly Box[], asked: Asked, file: string): void {
  const stale = boxes.flatMap(({ ticked, name, fingerprint }) => {
    const current = asked.get(name);
    return ticked && current !== undefined && current.fingerprint !== fingerprint
      ? [`${current.table}: approved as ${fingerprint}, now ${current.fingerprint}`]
      : [];
  });
  if (stale.length === 0) return;
  throw new UndropError('approval-stale', {
    subject: file,
    message: `Tables were changed after ${file} was written.`,
    reason: stale.join('\n'),
    next: 'Write the proposal again, and review it: undrop report --proposal --out <file>.',
  });
}

function unusable(file: string, reason: string, cause?: unknown): UndropError {
  return new UndropError('bad-options', {
    subject: file,
    message: `${file} is not a proposal.`,
    reason,
    next: 'Write one with undrop report --proposal --out <file>.',
    ...(cause === undefined ? {} : { cause }),
  });
}

function noneTicked(file: string): UndropError {
  return new UndropError('approval-missing', {
    subject: file,
    message: `No box of ${file} is ticked.`,
    reason: 'Only tables whose box is ticked are approved.',
    next: 'Tick the boxes of the tables to drop: [x].',
  });
}
