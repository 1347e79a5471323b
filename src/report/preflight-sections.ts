import { countKinds, words } from '../preflight/format.ts';
import type { Refusal } from '../preflight/gates.ts';
import type { GateState, MigrationPreflight } from '../preflight/preflight.ts';
import { type Content, type Html, html, lines } from './html.ts';
import type { Section } from './page.ts';
import { badge, folded, list, name, shortened, table } from './parts.ts';

/** What is approved and what waits; undefined where no migration asks. */
export function approvalsSection(migrations: readonly MigrationPreflight[]): Section | undefined {
  const asked = migrations.filter(({ tables }) => tables.some(({ approved }) => approved !== null));
  return asked.length === 0 ? undefined : { id: 'approvals', title: 'Approvals', body: approvals(asked) };
}

/** What `up` of each pending migration would do, and what stands in its way. */
export function preflightSection(migrations: readonly MigrationPreflight[]): Section {
  const none = html`<p>No migration of <code>reversibleDrop</code> is pending.</p>`;
  return {
    id: 'preflight',
    title: 'Preflight',
    body: migrations.length === 0 ? none : migrations.map(describe),
  };
}

function approvals(migrations: readonly MigrationPreflight[]): Content {
  const tables = migrations.flatMap((one) => one.tables);
  const waiting = tables.filter(({ approved }) => approved === false).length;
  return [
    html`<p>${waiting === 0 ? `All ${tables.length} are approved.` : `${waiting} of ${tables.length} tables wait for the word of their owner; what waits is left alone.`}</p>`,
    table(
      [
        { title: 'table', kind: 'name' },
        { title: 'state', kind: 'state' },
        { title: 'reason' },
        { title: 'fingerprint', kind: 'name' },
      ],
      tables.map((one) => [
        name(one.table),
        badge(one.approved ? 'approved' : 'waits'),
        one.reason ?? '',
        name(one.fingerprint),
      ]),
    ),
    html`<p>To approve all as they are now, set this; leave out what is to stay. An approval holds for as long as its table does not change.</p>
<pre class="copy">APPROVED_DROPS=${tables.map(({ table, fingerprint }, index) => [index === 0 ? null : html`,<wbr>`, `${table}@${fingerprint}`])}</pre>`,
  ];
}

function describe(one: MigrationPreflight): Html {
  const { migration, state, gates, closure, locks, statements } = one;
  return html`<article>
<h3>${name(migration)} ${badge(state)} <span>${words[state]}</span></h3>
${gates.flatMap(({ refusals }) => refusals).map(refused)}
${table([{ title: 'gate', kind: 'state' }, { title: 'state', kind: 'state' }, { title: 'found' }], gates.map(gateRow))}
${
  closure.length === 0
    ? null
    : [
        folded(`What would go: ${closure.length} objects`, [
          html`<p>${countKinds(one)}</p>`,
          list(
            closure.map(({ kind, identity, dependent }) => [
              name(`${kind} ${identity}`),
              dependent ? ' of others' : null,
            ]),
          ),
        ]),
        folded(`What would be locked meanwhile: ${locks.length} relations`, list(locks.map(name))),
        folded(
          `DDL that would be kept for the way back: ${statements.length} statements`,
          html`<pre>${lines(statements.map(({ sql }) => `${sql};`).join('\n'))}</pre>`,
        ),
      ]
}
</article>
`;
}

function refused({ code, message, reason, next }: Refusal): Html {
  return html`<div class="refusal"><p>${name(code)} <b>${message}</b></p>
${reason.split('\n').map((line) => html`<p>${line}</p>`)}${next.split('\n').map((line) => html`<p>→ ${line}</p>`)}</div>
`;
}

function gateRow({ gate, state, found }: GateState): Content[] {
  return [gate, badge(state), shortened(found)];
}
