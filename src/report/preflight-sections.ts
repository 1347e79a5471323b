import { countKinds, words } from '../preflight/format.ts';
import type { Refusal } from '../preflight/gates.ts';
import type { GateState, MigrationPreflight } from '../preflight/preflight.ts';
import { type Content, type Html, html, lines } from './html.ts';
import type { Section } from './page.ts';
import { badge, bullets, folded, name, shortened, table } from './parts.ts';

/** The approved and unapproved tables; undefined if no migration requires approvals. */
export function approvalsSection(migrations: readonly MigrationPreflight[]): Section | undefined {
  const asked = migrations.filter(({ tables }) => tables.some(({ approved }) => approved !== null));
  return asked.length === 0 ? undefined : { id: 'approvals', title: 'Approvals', body: approvals(asked) };
}

/** What `up` of each pending migration would do, with the state of every gate. */
export function preflightSection(migrations: readonly MigrationPreflight[]): Section {
  const none = html`<p>No <code>reversibleDrop</code> migration is pending.</p>`;
  return {
    id: 'preflight',
    title: 'Preflight',
    body: migrations.length === 0 ? none : migrations.map(describe),
  };
}

function approvals(migrations: readonly MigrationPreflight[]): Content {
  const tables = migrations.flatMap((migration) => migration.tables);
  const waiting = tables.filter(({ approved }) => approved === false).length;
  return [
    html`<p>${waiting === 0 ? `All ${tables.length} tables are approved.` : `${waiting} of ${tables.length} tables are not approved; they will not be dropped.`}</p>`,
    table(
      [
        { title: 'table', kind: 'name' },
        { title: 'state', kind: 'state' },
        { title: 'reason' },
        { title: 'fingerprint', kind: 'name' },
      ],
      tables.map(({ table: written, approved, reason, fingerprint }) => [
        name(written),
        badge(approved ? 'approved' : 'waits'),
        reason ?? '',
        name(fingerprint),
      ]),
    ),
    html`<p>To approve all tables in their current state, set this variable, without the tables to keep, or tick boxes in a proposal: <code>undrop approve</code>. An approval becomes void when its table changes.</p>
<pre class="copy">APPROVED_DROPS=${tables.map(({ table, fingerprint }, index) => [index === 0 ? null : html`,<wbr>`, `${table}@${fingerprint}`])}</pre>`,
  ];
}

function describe(preflight: MigrationPreflight): Html {
  const { migration, state, gates, closure, locks, statements } = preflight;
  return html`<article>
<h3>${name(migration)} ${badge(state)} <span>${words[state]}</span></h3>
${gates.flatMap(({ refusals }) => refusals).map(refused)}
${table([{ title: 'gate', kind: 'state' }, { title: 'state', kind: 'state' }, { title: 'found' }], gates.map(gateRow))}
${
  closure.length === 0
    ? null
    : [
        folded(`Objects that would be dropped: ${closure.length}`, [
          html`<p>${countKinds(preflight)}</p>`,
          bullets(
            closure.map(({ kind, identity, dependent }) => [
              name(`${kind} ${identity}`),
              dependent ? ' (dependent object)' : null,
            ]),
          ),
        ]),
        folded(`Relations that would be locked: ${locks.length}`, bullets(locks.map(name))),
        folded(
          `DDL statements that would be archived: ${statements.length}`,
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
