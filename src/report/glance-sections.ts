import { nameOf as backupName } from '../backup/records.ts';
import type { MigrationPreflight } from '../preflight/preflight.ts';
import { countOf, moment, size } from '../text/units.ts';
import { type Content, type Html, html } from './html.ts';
import { share, stageName, withShare } from './impact.ts';
import type { Section } from './page.ts';
import { badge, grouped, name, table } from './parts.ts';
import type { Report } from './read-report.ts';

/** The overview: the state of the database, the pending migrations, and their effect. */
export function glanceSection(report: Report): Section {
  const { migrations, impact } = report;
  return {
    id: 'glance',
    title: 'At a glance',
    body: [
      html`<ul class="pending">${migrations.map(pending)}</ul>`,
      tiles(report),
      html`<h3>Storage impact</h3>`,
      table(
        [
          { title: '' },
          { title: 'tables', kind: 'number' },
          { title: 'empty', kind: 'number' },
          { title: 'size', kind: 'number' },
          { title: 'saved', kind: 'number' },
        ],
        impact.map((stage) => [
          stageName(stage),
          grouped(stage.tables),
          withShare(stage.empty, stage.tables),
          size(stage.bytes),
          stage.saved === 0 ? '' : size(stage.saved),
        ]),
      ),
    ],
  };
}

function pending({ migration, state, tables, gates }: MigrationPreflight): Html {
  const going = state === 'waits' ? tables : tables.filter(({ approved }) => approved !== false);
  const some = countOf(going.length, 'table');
  const codes = gates.flatMap(({ refusals }) => refusals.map(({ code }) => code));
  const sentences: Readonly<Record<typeof state, string>> = {
    goes: `would drop ${some}`,
    refused: `would drop ${some}, but is refused: ${[...new Set(codes)].join(', ')}`,
    waits: `waits for approval of ${some}`,
    done: 'has already dropped its tables',
  };
  return html`<li>${badge(state)} ${name(migration)} ${sentences[state]}</li>`;
}

function tiles({ audit, status, checks }: Report): Html {
  const { tables, empty, candidate, ask } = audit.counts;
  const open = status.archive.filter(({ restoredAt }) => restoredAt === null).length;
  const checked = checks.filter(({ state }) => state !== 'not checked').length;
  const failed = checks.filter(({ state }) => state === 'failed').length;
  const all: readonly [string, number, string][] = [
    ['tables', tables, ''],
    ['empty', empty, share(empty, tables)],
    ['candidates', candidate, ''],
    ['questions', ask, ''],
    ['open entries', open, ''],
    ['checks failed', failed, `of ${checked} checked`],
  ];
  return html`<dl class="tiles">${all.map(([title, value, note]) => html`<div><dt>${title}</dt><dd>${grouped(value)} <small>${note}</small></dd></div>`)}</dl>
`;
}

/** Drops and backups on record; undefined if there are none. */
export function recordSection({ status: { archive, backups } }: Report): Section | undefined {
  if (archive.length + backups.length === 0) return undefined;
  const drops: Content = table(
    [{ title: 'dropped', kind: 'state' }, { title: 'by' }, { title: 'tables' }, { title: 'state' }],
    archive.map(({ migration, droppedAt, droppedBy, tables, restoredAt, note }) => [
      moment(droppedAt),
      droppedBy,
      [name(migration), ': ', tables.map(({ written }, index) => [index === 0 ? null : ', ', name(written)])],
      [
        restoredAt === null ? 'can be rolled back' : `restored ${moment(restoredAt)}`,
        note === null ? null : `; ${note}`,
      ],
    ]),
  );
  const kept: Content = table(
    [{ title: 'backup', kind: 'state' }, { title: 'file' }, { title: 'proved by' }],
    backups.map((backup) => [
      moment(backup.finishedAt),
      name(backupName(backup)),
      backup.attestation === null ? backup.proof : 'not proved',
    ]),
  );
  return {
    id: 'record',
    title: 'Drops and backups',
    body: [archive.length === 0 ? null : drops, backups.length === 0 ? null : kept],
  };
}
