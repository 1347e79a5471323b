import type { KeptEntry } from '../archive/entries.ts';
import type { FactRecord } from '../baseline/records.ts';
import { stillDiffering } from '../catalog/facts/earlier-digests.ts';
import { type Digests, readObjectDigests } from '../catalog/facts/fact-digests.ts';
import { readSurroundings } from '../catalog/facts/surroundings.ts';
import { findLedgers } from '../knex/find-ledgers.ts';
import type { Session } from '../session/session.ts';
import { separateAdded } from './added-objects.ts';
import { type ArchiveComparison, compareRestored, readExplained } from './compare-archive.ts';
import { readExpected } from './expected-facts.ts';
import { withoutParts } from './identities.ts';

/** The comparison of the objects of the database with a record. Lists hold identities, sorted. */
export interface RecordComparison {
  /** How many objects are unchanged. */
  readonly same: number;
  readonly gone: readonly string[];
  readonly changed: readonly string[];
  /** New objects that change how existing ones work. */
  readonly acting: readonly string[];
  /** Other new objects. */
  readonly added: readonly string[];
  /** `by 044_cleanup_legacy_tables: 12`: the number of differences that a drop, or its restore, has made since. */
  readonly explained: readonly string[];
  /**
   * Survivors that a drop, or its restore, has changed: only the changed values are compared, with the archive. Restored
   * objects whose expressions another major version has printed.
   */
  readonly inPart: readonly string[];
  /** Only names were compared, not facts: the server has another major version, which prints them differently. */
  readonly onlyNames: boolean;
}

/**
 * Compares the database with a record. Changes that drops and restores have made since are compared with the archive, and
 * counted as explained if they are equal. Migrations tables are omitted, because Knex creates them at the first migration.
 *
 * @param entries all entries of the archive
 * @throws UndropError `archive-damaged`
 */
export async function compareWithRecord(
  session: Session,
  record: FactRecord,
  entries: readonly KeptEntry[],
): Promise<RecordComparison> {
  const current = await readObjectDigests(session);
  const expected = await readExpected(session, record, entries);
  const archive = await compareRestored(session, expected);
  const explained = await readExplained(session, expected);
  const ledgers = await findLedgers(session);
  const onlyNames = Number.parseInt(record.serverVersion, 10) !== session.server.major;

  const { gone, changed: differing, added, same: equal } = split(record.digests, current, onlyNames);
  // A record with surroundings was not written by an earlier version.
  const changed =
    record.surroundings === undefined ? await stillDiffering(session, record.digests, differing) : differing;
  const around = await compareSurroundings(session, record, onlyNames);
  const restored = new Map(expected.restored.map(({ fact, entry }) => [fact.identity, entry.migration]));
  const by = new Count();
  const found = {
    gone: by.without(gone, expected.dropped),
    changed: by.without(changed, explained),
    added: by.without(added, restored, explained),
  };
  const recreated = [...expected.dropped.keys()].filter((identity) => current[identity] !== undefined);
  const shown = inRecordForm(archive, current);
  const isNew = (identity: string) => !isOfLedger(identity, ledgers);
  const existing = [...Object.keys(record.digests), ...restored.keys()];
  const news = await separateAdded(session, merge(found.added, shown.added).filter(isNew), existing);
  return {
    same: equal + differing.length - changed.length,
    gone: [...schemasFirst(withoutParts(merge(found.gone, shown.gone))), ...around.gone],
    changed: [...merge(found.changed, shown.changed, recreated), ...around.changed],
    acting: withoutParts(news.acting),
    added: withoutParts(news.others),
    explained: by.list(),
    inPart: merge(
      changed.filter((identity) => explained.has(identity) && !identity.startsWith('comment on ')),
      archive.printed,
    ),
    onlyNames,
  };
}

/** Compares only what the record holds. A role that owned only dropped tables may no longer use any object. */
async function compareSurroundings(
  session: Session,
  { surroundings = {} }: FactRecord,
  onlyNames: boolean,
): Promise<{ gone: string[]; changed: string[] }> {
  const { all } = await readSurroundings(session);
  const { gone, changed } = split(surroundings, all, onlyNames);
  return { gone, changed };
}

function merge(...lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())].sort();
}

/** The numbers of differences that each migration explains. */
class Count {
  readonly #by = new Map<string, number>();

  /** Returns the identities without those that a migration explains, and counts these. */
  without(identities: readonly string[], ...explanations: readonly ReadonlyMap<string, string>[]): string[] {
    return identities.filter((identity) => {
      const migration = explanations.map((explained) => explained.get(identity)).find((found) => found);
      if (migration !== undefined) this.#by.set(migration, (this.#by.get(migration) ?? 0) + 1);
      return migration === undefined;
    });
  }

  list(): string[] {
    return [...this.#by].map(([migration, count]) => `by ${migration}: ${count}`);
  }
}

function schemasFirst(identities: readonly string[]): string[] {
  const isSchema = (identity: string) => identity.startsWith('schema ');
  return [...identities.filter(isSchema), ...identities.filter((identity) => !isSchema(identity))];
}

/**
 * Leaves out objects that a record lists as part of others, such as row types and defaults, unless all differences are in
 * such objects.
 */
function inRecordForm({ gone, changed, added }: ArchiveComparison, current: Digests) {
  // A record lists a default with its column.
  const defaults = changed
    .concat(gone, added)
    .filter((identity) => identity.startsWith(defaultOf))
    .map((identity) => `table column ${identity.slice(defaultOf.length)}`)
    .filter((column) => !added.includes(column));
  const isListed = (identity: string) => current[identity] !== undefined;
  const isWhole = (identity: string) => !part.test(identity);
  const listed = {
    gone: gone.filter(isWhole),
    changed: merge(changed, defaults).filter(isListed),
    added: added.filter(isListed),
  };
  return Object.values(listed).some(({ length }) => length > 0) ? listed : { gone, changed, added };
}

const defaultOf = 'default value for ';
const part = /^(?:default value |index column |toast table |type |trigger "RI_ConstraintTrigger)/;

function split(recorded: Digests, current: Digests, onlyNames: boolean) {
  const before = Object.keys(recorded).sort();
  const kept = before.filter((identity) => current[identity] !== undefined);
  const changed = onlyNames ? [] : kept.filter((identity) => recorded[identity] !== current[identity]);
  return {
    gone: before.filter((identity) => current[identity] === undefined),
    changed,
    added: Object.keys(current).filter((identity) => recorded[identity] === undefined),
    same: kept.length - changed.length,
  };
}

function isOfLedger(identity: string, ledgers: readonly string[]): boolean {
  return ledgers.some((ledger) => {
    const at = identity.indexOf(ledger);
    return at >= 0 && ofLedger.test(identity.slice(at + ledger.length));
  });
}

// What Knex creates: the table, a second one for its lock, and the key and the sequence of each. Other names may begin with
// the same word.
const ofLedger = /^(?:_lock)?(?:$|\.|_(?:pkey|id_seq|index_seq)$)/;
