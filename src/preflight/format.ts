import type { Recorded } from '../baseline/record-facts.ts';
import { code, fenced, folded, markdownTable } from '../text/markdown.ts';
import { oneLine } from '../text/one-line.ts';
import { printable } from '../text/printable.ts';
import { align, wrap } from '../text/terminal.ts';
import type { GateState, Refusal } from './gates.ts';
import type { MigrationPreflight, Preflight } from './preflight.ts';

export const words: Readonly<Record<MigrationPreflight['state'], string>> = {
  goes: 'up would drop its tables',
  refused: 'up would refuse',
  waits: 'waits for approval',
  done: 'already dropped',
};

/** Formats a preflight for a terminal. */
export function formatPreflight({ migrations, recorded }: Reported, withDdl: boolean): string {
  const parts = migrations.map((one) => `${migrationLines(one, withDdl).join('\n')}\n`);
  if (migrations.length === 0) parts.push('No migration of reversibleDrop is pending.\n');
  if (recorded) parts.push(`${describeRecorded(recorded)}\n`);
  return parts.join('\n');
}

interface Reported extends Pick<Preflight, 'migrations'> {
  /** With `--record`. */
  readonly recorded?: Recorded | null;
}

function describeRecorded({ record, objects }: Recorded): string {
  return `Recorded the facts of ${objects} objects as record ${record}. verify compares the database with it.`;
}

function migrationLines(one: MigrationPreflight, withDdl: boolean): string[] {
  const { migration, state, tables, gates, statements } = one;
  const approvals = approvalsOf(one);
  return [
    ...wrap('', `${migration}: ${words[state]}`),
    ...align(
      tables.map(({ table, fingerprint, reason, approved }) => [
        table,
        fingerprint,
        approved === null ? '' : approved ? 'approved' : 'not approved',
        oneLine(reason ?? ''),
      ]),
      '  ',
      [{ most: 40 }],
    ),
    ...align(
      gates.map((one) => [one.state, one.gate, foundIn(one)]),
      '  ',
    ),
    ...distinctRefusals(gates).flatMap(({ code, message, reason, next }) => [
      ...wrap('  ', `${code}: ${message}`, 4),
      ...reason.split('\n').flatMap((line) => wrap('    why:  ', line)),
      ...next.split('\n').flatMap((line) => wrap('    next: ', line)),
    ]),
    ...one.costs.flatMap(({ description }) => wrap('  rows of ', description, 4)),
    ...(one.closure.length === 0 ? [] : wrap('  would be dropped: ', countKinds(one))),
    ...(one.locks.length === 0 ? [] : wrap('  would be locked: ', one.locks.join(', '), 4)),
    ...(approvals.length === 0
      ? []
      : wrap(
          '  ',
          'to approve the tables as they are now, run undrop approve with a proposal, or set APPROVED_DROPS to these, separated by commas:',
          4,
        )),
    // Not wrapped, so that they can be copied.
    ...approvals.map((approval) => `    ${printable(approval)}`),
    ...(withDdl
      ? ['  DDL that would be archived:', ...statements.flatMap(({ sql }) => ddlLines(`${sql};`))]
      : []),
  ];
}

/** Returns what a gate found; the texts of its refusals, which are printed below, only by their codes. */
function foundIn({ found, refusals }: GateState): string {
  const codes = [...new Set(refusals.map(({ code }) => code))].join(', ');
  return refusals.some(({ message }) => message === found) || found === '' ? codes : found;
}

/** Returns the refusals of all gates, each once. */
function distinctRefusals(gates: readonly GateState[]): Refusal[] {
  const all = gates.flatMap(({ refusals }) => refusals);
  return [...new Map(all.map((one) => [`${one.code} ${one.message}`, one])).values()];
}

function ddlLines(sql: string): string[] {
  return sql.split('\n').map((line) => `    ${printable(line)}`);
}

/** Summarizes the closure: `table: 6, index: 3; dependent objects: view public.v; …` */
export function countKinds({ closure, statements }: MigrationPreflight): string {
  const own = new Map<string, number>();
  for (const { kind, dependent } of closure) if (!dependent) own.set(kind, (own.get(kind) ?? 0) + 1);
  const counts = [...own].map(([kind, count]) => `${kind}: ${count}`).join(', ');
  const dependent = closure
    .filter((object) => object.dependent)
    .map(({ kind, identity }) => `${kind} ${identity}`);
  const dependents =
    dependent.length === 0 ? 'no dependent objects' : `dependent objects: ${dependent.join(', ')}`;
  return `${counts}; ${dependents}; ${statements.length} DDL statements would be archived`;
}

/** Returns the items of `APPROVED_DROPS` that would approve the tables; none if no table needs an approval. */
function approvalsOf({ tables }: MigrationPreflight): string[] {
  if (tables.every(({ approved }) => approved !== false)) return [];
  return tables.map(({ table, fingerprint }) => `${table}@${fingerprint}`);
}

/** Formats a preflight as Markdown, for a comment on a pull request. */
export function formatPreflightMarkdown({ migrations, recorded }: Reported): string {
  const parts = migrations.flatMap((one) => {
    const { migration, state, tables, gates, closure, statements } = one;
    const approvals = approvalsOf(one);
    return [
      `### ${code(migration)}: ${words[state]}`,
      '',
      ...markdownTable(
        ['table', 'fingerprint', 'reason', 'approved'],
        tables.map(({ table, fingerprint, reason, approved }) => [
          code(table),
          code(fingerprint),
          code(oneLine(reason ?? '')),
          approved === null ? 'not required' : approved ? 'yes' : 'no',
        ]),
      ),
      '',
      ...markdownTable(
        ['gate', 'state', 'found'],
        gates.map(({ gate, state, found, refusals }) => [
          gate,
          state,
          [code(found), ...refusals.map(({ code: word, next }) => `${code(word)} ${code(next)}`)].join(
            '<br>',
          ),
        ]),
      ),
      '',
      ...(approvals.length === 0
        ? []
        : [
            `To approve the tables as they are now: ${code(`APPROVED_DROPS=${approvals.join(',')}`)}, or ${code('undrop approve')} with a proposal`,
            '',
          ]),
      ...one.costs.map(({ description }) => `- rows of ${code(description)}`),
      ...(one.costs.length === 0 ? [] : ['']),
      ...folded(
        `Objects that would be dropped: ${closure.length}`,
        closure.map(
          ({ kind, identity, dependent }) =>
            `- ${code(`${kind} ${identity}`)}${dependent ? ' (dependent object)' : ''}`,
        ),
      ),
      ...folded(
        `Relations that would be locked: ${one.locks.length}`,
        one.locks.map((name) => `- ${code(name)}`),
      ),
      ...folded(
        `DDL statements that would be archived: ${statements.length}`,
        fenced(
          'sql',
          statements.map(({ sql }) => `${sql};`),
        ),
      ),
    ];
  });
  if (migrations.length === 0) parts.push('No migration of `reversibleDrop` is pending.', '');
  if (recorded) parts.push(describeRecorded(recorded));
  return `${parts.join('\n').trimEnd()}\n`;
}
