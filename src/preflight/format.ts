import { code, columnsOf, pad, wrap } from '../audit/layout.ts';
import type { Recorded } from '../baseline/record-facts.ts';
import { printable } from '../text/printable.ts';
import type { MigrationPreflight, Preflight } from './preflight.ts';

export const words: Readonly<Record<MigrationPreflight['state'], string>> = {
  goes: 'up would drop its tables',
  refused: 'up would refuse',
  waits: 'waits for approval',
  done: 'dropped already',
};

/** For a terminal: no line is longer than 100 columns, but for those of DDL. */
export function formatPreflight({ migrations, recorded }: Reported, withDdl: boolean): string {
  const parts = migrations.map((one) => `${migrationLines(one, withDdl).join('\n')}\n`);
  if (migrations.length === 0) parts.push('No migration of reversibleDrop is pending.\n');
  if (recorded) parts.push(`${describeRecorded(recorded)}\n`);
  return parts.join('\n');
}

interface Reported extends Pick<Preflight, 'migrations'> {
  /** Where a record was asked for. */
  readonly recorded?: Recorded | null;
}

function describeRecorded({ record, objects }: Recorded): string {
  return `Recorded: the facts of ${objects} objects, as record ${record}, for verify to compare with.`;
}

function migrationLines(one: MigrationPreflight, withDdl: boolean): string[] {
  const { migration, state, tables, gates, statements } = one;
  const widest = Math.min(40, Math.max(0, ...tables.map(({ table }) => columnsOf(printable(table)))));
  const approvals = approvalsOf(one);
  return [
    ...wrap('', `${migration}: ${words[state]}`),
    ...tables.flatMap(({ table, fingerprint, reason, approved }) => {
      const mark = approved === null ? '' : approved ? 'approved  ' : 'not approved  ';
      return wrap(`  ${pad(printable(table), widest)}  ${fingerprint}  ${mark}`, reason ?? '');
    }),
    ...gates.flatMap(({ gate, state, found }) => wrap(`  ${pad(state, 7)}  ${pad(gate, 9)}  `, found)),
    ...gates.flatMap(({ refusals }) =>
      refusals.flatMap(({ code, message, reason, next }) => [
        ...wrap('  ', `${code}: ${message}`, 4),
        ...reason.split('\n').flatMap((line) => wrap('    why:  ', line)),
        ...next.split('\n').flatMap((line) => wrap('    next: ', line)),
      ]),
    ),
    ...(one.closure.length === 0 ? [] : wrap('  would go: ', countKinds(one))),
    ...(one.locks.length === 0 ? [] : wrap('  locked meanwhile: ', one.locks.join(', '), 4)),
    ...(approvals.length === 0 ? [] : ['  to approve what is there now, in APPROVED_DROPS, with commas:']),
    // Not broken: it is there to be copied.
    ...approvals.map((approval) => `    ${printable(approval)}`),
    ...(withDdl
      ? ['  DDL that would be kept:', ...statements.flatMap(({ sql }) => ddlLines(`${sql};`))]
      : []),
  ];
}

function ddlLines(sql: string): string[] {
  return sql.split('\n').map((line) => `    ${printable(line)}`);
}

/** `table: 6, index: 3; of others view public.v; …` */
export function countKinds({ closure, statements }: MigrationPreflight): string {
  const own = new Map<string, number>();
  for (const { kind, dependent } of closure) if (!dependent) own.set(kind, (own.get(kind) ?? 0) + 1);
  const counts = [...own].map(([kind, count]) => `${kind}: ${count}`).join(', ');
  const others = closure
    .filter(({ dependent }) => dependent)
    .map(({ kind, identity }) => `${kind} ${identity}`);
  const of = others.length === 0 ? 'nothing of others' : `of others ${others.join(', ')}`;
  return `${counts}; ${of}; ${statements.length} statements of DDL would be kept`;
}

/** What `APPROVED_DROPS` may hold; none where nothing is to be approved. */
function approvalsOf({ tables }: MigrationPreflight): string[] {
  if (tables.every(({ approved }) => approved !== false)) return [];
  return tables.map(({ table, fingerprint }) => `${table}@${fingerprint}`);
}

/** The same as the comment on a pull request. */
export function formatPreflightMarkdown({ migrations, recorded }: Reported): string {
  const parts = migrations.flatMap((one) => {
    const { migration, state, tables, gates, closure, statements } = one;
    const approvals = approvalsOf(one);
    return [
      `### ${code(migration)}: ${words[state]}`,
      '',
      ...table(
        ['table', 'fingerprint', 'reason', 'approved'],
        tables.map(({ table, fingerprint, reason, approved }) => [
          code(table),
          code(fingerprint),
          code(reason ?? ''),
          approved === null ? 'not asked for' : approved ? 'yes' : 'no',
        ]),
      ),
      '',
      ...table(
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
        : [`To approve what is there now: ${code(`APPROVED_DROPS=${approvals.join(',')}`)}`, '']),
      ...folded(
        `What would go: ${closure.length} objects`,
        closure.map(
          ({ kind, identity, dependent }) =>
            `- ${code(`${kind} ${identity}`)}${dependent ? ' of others' : ''}`,
        ),
      ),
      ...folded(
        `What would be locked: ${one.locks.length} relations`,
        one.locks.map((name) => `- ${code(name)}`),
      ),
      ...folded(
        `DDL that would be kept: ${statements.length} statements`,
        fenced(statements.map(({ sql }) => `${sql};`)),
      ),
    ];
  });
  if (migrations.length === 0) parts.push('No migration of `reversibleDrop` is pending.', '');
  if (recorded) parts.push(describeRecorded(recorded));
  return `${parts.join('\n').trimEnd()}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}

function folded(title: string, lines: readonly string[]): string[] {
  return ['<details>', `<summary>${title}</summary>`, '', ...lines, '', '</details>', ''];
}

/** A block that nothing in it can end. */
function fenced(parts: readonly string[]): string[] {
  const lines = parts.flatMap((part) => part.split('\n').map(printable));
  let fence = '```';
  while (lines.some((line) => line.includes(fence))) fence += '`';
  return [`${fence}sql`, ...lines, fence];
}
