import type { KeptEntry } from '../archive/entries.ts';
import type { Difference } from '../capture/compare.ts';
import { stillDiffering } from '../catalog/facts/earlier-digests.ts';
import { type Digests, readObjectDigests } from '../catalog/facts/fact-digests.ts';
import { findLedgers } from '../knex/find-ledgers.ts';
import type { Session } from '../session/session.ts';
import type { FactRecord } from './records.ts';

/** The comparison of the objects of the database with a record. Lists hold identities, sorted. */
export interface RecordComparison {
  /** How many objects are unchanged. */
  readonly same: number;
  readonly gone: readonly string[];
  readonly changed: readonly string[];
  readonly added: readonly string[];
  /** `by 044_cleanup_legacy_tables: 12`: the number of differences that a drop, or its restore, has made since. */
  readonly explained: readonly string[];
  /** Only names were compared, not facts: the server has another major version, which prints them differently. */
  readonly onlyNames: boolean;
}

/**
 * Compares the database with a record. Differences that drops and restores since then explain are counted only;
 * migrations tables are left out, since Knex creates them at the first migration.
 *
 * @param entries all entries of the archive
 */
export async function compareWithRecord(
  session: Session,
  record: FactRecord,
  entries: readonly KeptEntry[],
): Promise<RecordComparison> {
  const current = await readObjectDigests(session);
  const recorded = record.digests;
  const explanations = await explain(session, record, entries);
  const ledgers = await findLedgers(session);
  const onlyNames = Number.parseInt(record.serverVersion, 10) !== session.server.major;
  const by = new Map<string, number>();
  const unexplained = (identities: readonly string[]) =>
    identities.filter((identity) => {
      const migration = explanations.get(identity);
      if (migration !== undefined) by.set(migration, (by.get(migration) ?? 0) + 1);
      return migration === undefined;
    });

  const { gone, changed: differing, added, same: equal } = split(recorded, current, onlyNames);
  const changed = await stillDiffering(session, recorded, differing);
  const same = equal + differing.length - changed.length;
  const rest = { gone: unexplained(gone), changed: unexplained(changed), added: unexplained(added) };
  return {
    same,
    gone: withoutParts(rest.gone),
    changed: rest.changed,
    added: withoutParts(rest.added.filter((identity) => !isOfLedger(identity, ledgers))),
    explained: [...by].map(([migration, count]) => `by ${migration}: ${count}`),
    onlyNames,
  };
}

function split(recorded: Digests, current: Digests, onlyNames: boolean) {
  const before = Object.keys(recorded).sort();
  const kept = before.filter((identity) => current[identity] !== undefined);
  const changed = onlyNames ? [] : kept.filter((identity) => recorded[identity] !== current[identity]);
  return {
    gone: before.filter((identity) => current[identity] === undefined),
    changed,
    added: Object.keys(current)
      .filter((identity) => recorded[identity] === undefined)
      .sort(),
    same: kept.length - changed.length,
  };
}

const identitiesSql = /* sql */ `
  select distinct f.drop_id as id, f.identity from undrop.facts as f where f.drop_id = any ($1)
  order by f.drop_id, f.identity`;

/** The migrations that have dropped, restored or changed objects since the record, by the identity of the object. */
async function explain(
  session: Session,
  { standing }: FactRecord,
  entries: readonly KeptEntry[],
): Promise<Map<string, string>> {
  const moved = entries.filter(({ id, restoredAt }) => standing.includes(id) !== (restoredAt === null));
  if (moved.length === 0) return new Map();
  const migrations = new Map(moved.map(({ id, migration }) => [id, migration]));
  const rows = await session.read<{ id: number; identity: string }>(identitiesSql, [[...migrations.keys()]]);
  return new Map([
    ...rows.map(({ id, identity }): [string, string] => [identity, migrations.get(id) ?? '']),
    ...moved.flatMap(({ migration, survivorChanges, schemaComment }) => [
      ...survivorChanges.map(({ object }: Difference): [string, string] => [object, migration]),
      ...(schemaComment === null
        ? []
        : [[`comment on schema ${schemaComment.schema}`, migration] as [string, string]]),
    ]),
  ]);
}

function isOfLedger(identity: string, ledgers: readonly string[]): boolean {
  return ledgers.some((ledger) => {
    const at = identity.indexOf(ledger);
    return at >= 0 && /^(?:$|[._])/.test(identity.slice(at + ledger.length));
  });
}

const relation = /^(?:table|view|materialized view|foreign table) (?=[^ ]*\.)/;

/** Leaves out columns, constraints and other parts of relations that are in the list themselves. */
function withoutParts(identities: readonly string[]): string[] {
  const relations = new Set(
    identities
      .filter((identity) => relation.test(identity))
      .map((identity) => identity.replace(relation, '')),
  );
  return identities.filter((identity) => !ownersIn(identity).some((owner) => relations.has(owner)));
}

/**
 * The relations that the object may be part of, by its identity. Several, since quoted names may hold dots and spaces.
 */
function ownersIn(identity: string): string[] {
  const column = / column (.*)$/s.exec(identity)?.[1] ?? '';
  const dots = [...column.matchAll(/\./g)].map(({ index }) => column.slice(0, index));
  const ons = [...identity.matchAll(/ on /g)].map(({ index }) => identity.slice(index + 4));
  return [...dots, ...ons];
}
