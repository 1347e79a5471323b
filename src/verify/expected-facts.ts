import type { KeptEntry } from '../archive/entries.ts';
import { loadCapture } from '../archive/entry.ts';
import type { FactRecord } from '../baseline/records.ts';
import type { Difference } from '../capture/compare.ts';
import type { Fact } from '../catalog/facts/facts.ts';
import { sequenceState } from '../catalog/facts/sequence-facts.ts';
import type { Session } from '../session/session.ts';

/** An archived fact, with its entry. */
export interface Archived {
  readonly entry: KeptEntry;
  readonly fact: Fact;
}

/** What the drops and restores since a record have changed, according to the archive. */
export interface Expected {
  /** The facts of objects that did not exist at the time of the record and were restored since. */
  readonly restored: readonly Archived[];
  /** The migrations that have dropped objects since, by the identity of the object. */
  readonly dropped: ReadonlyMap<string, string>;
  /** The values in survivors that a drop or its restore has changed. */
  readonly survivors: readonly ExpectedValue[];
  /** The comments on schemas that a drop has set, or its restore has reset. */
  readonly comments: readonly ExpectedComment[];
}

/** A value in the facts of a survivor: a column of a catalog row, or `*` for the whole row. */
export interface ExpectedValue extends Pick<Difference, 'object' | 'catalog' | 'column'> {
  readonly entry: KeptEntry;
  readonly value: string | null;
}

interface ExpectedComment {
  readonly entry: KeptEntry;
  readonly schema: string;
  readonly comment: string | null;
}

/**
 * Follows the drops and restores since the record, in the order in which they happened.
 *
 * @param entries all entries of the archive
 * @throws UndropError `archive-damaged`
 */
export async function readExpected(
  session: Session,
  record: FactRecord,
  entries: readonly KeptEntry[],
): Promise<Expected> {
  const history = new History();
  for (const { entry, isDrop } of stepsSince(record, entries)) {
    if (isDrop) history.drop(entry, await readKeys(session, entry));
    else if (record.standing.includes(entry.id))
      history.restore(entry, (await loadCapture(session, entry)).facts);
    else history.restore(entry);
  }
  return history.expected();
}

interface Step {
  readonly entry: KeptEntry;
  readonly isDrop: boolean;
  readonly at: number;
}

function stepsSince({ standing, madeAt }: FactRecord, entries: readonly KeptEntry[]): Step[] {
  const steps = entries.flatMap((entry): Step[] => {
    const { restoredAt } = entry;
    const restore = restoredAt === null ? [] : [{ entry, isDrop: false, at: Date.parse(restoredAt) }];
    if (standing.includes(entry.id)) return restore;
    // An entry that was restored before the record changes nothing.
    if (restoredAt !== null && Date.parse(restoredAt) <= Date.parse(madeAt)) return [];
    return [{ entry, isDrop: true, at: Date.parse(droppedAt(entry, entries)) }, ...restore];
  });
  // The restore of one table of an entry drops the others again.
  return steps.sort((a, b) => a.at - b.at || Number(a.isDrop) - Number(b.isDrop));
}

/** The entry with the rest of a split entry has the time of the first drop. */
function droppedAt({ id, droppedAt }: KeptEntry, entries: readonly KeptEntry[]): string {
  return entries.find(({ splitInto }) => splitInto === id)?.restoredAt ?? droppedAt;
}

type Key = Pick<Fact, 'catalog' | 'identity'>;

const keysSql = /* sql */ `
  select distinct f.catalog, f.identity from undrop.facts as f where f.drop_id = $1`;

function readKeys(session: Session, { id }: KeptEntry): Promise<Key[]> {
  return session.read<Key>(keysSql, [id]);
}

class History {
  readonly #facts = new Map<string, Archived[]>();
  /** The facts of restored objects that each entry has dropped again, by the number of the entry. */
  readonly #removed = new Map<number, Map<string, Archived[]>>();
  readonly #dropped = new Map<string, KeptEntry>();
  readonly #survivors = new Map<string, ExpectedValue>();
  readonly #comments = new Map<string, ExpectedComment>();

  drop(entry: KeptEntry, keys: readonly Key[]): void {
    const removed = new Map<string, Archived[]>();
    for (const key of keys) {
      const facts = this.#facts.get(keyOf(key));
      if (facts !== undefined) removed.set(keyOf(key), facts);
      this.#facts.delete(keyOf(key));
      this.#dropped.set(key.identity, entry);
    }
    this.#removed.set(entry.id, removed);
    for (const change of entry.survivorChanges) this.#expect(entry, change, change.after);
    this.#comment(entry, 'after');
  }

  /** @param facts of the entry, if its objects did not exist at the time of the record */
  restore(entry: KeptEntry, facts?: readonly Fact[]): void {
    for (const [identity, by] of this.#dropped) if (by === entry) this.#dropped.delete(identity);
    const removed = this.#removed.get(entry.id) ?? new Map<string, Archived[]>();
    for (const [key, archived] of removed) this.#facts.set(key, archived);
    for (const fact of facts ?? []) {
      if (fact.catalog === sequenceState) continue;
      this.#facts.set(keyOf(fact), [...(this.#facts.get(keyOf(fact)) ?? []), { entry, fact }]);
    }
    if (facts !== undefined || removed.size > 0)
      for (const { differences } of entry.accepted)
        for (const difference of differences) this.#accept(entry, difference);
    for (const change of entry.survivorChanges) this.#expect(entry, change, change.before);
    this.#comment(entry, 'before');
  }

  expected(): Expected {
    return {
      restored: [...this.#facts.values()].flat(),
      dropped: new Map([...this.#dropped].map(([identity, { migration }]) => [identity, migration])),
      survivors: [...this.#survivors.values()],
      comments: [...this.#comments.values()],
    };
  }

  #expect(entry: KeptEntry, { object, catalog, column }: Difference, value: string | null): void {
    this.#survivors.set(JSON.stringify([object, catalog, column]), { entry, object, catalog, column, value });
    // A survivor of one drop may be a table that another one has dropped.
    this.#set({ object, catalog, column }, value);
  }

  #set({ object, catalog, column }: Omit<ExpectedValue, 'entry' | 'value'>, value: string | null): void {
    const key = keyOf({ catalog, identity: object });
    const facts = this.#facts.get(key);
    if (facts === undefined || column === '*') return;
    const changed = facts.map(({ entry, fact }) => ({
      entry,
      fact: { ...fact, columns: { ...fact.columns, [column]: value } },
    }));
    this.#facts.set(key, changed);
  }

  /** Applies a difference that a user has accepted. */
  #accept(entry: KeptEntry, difference: Difference): void {
    const { object, catalog, column, before, after } = difference;
    if (catalog === 'rows' || catalog === sequenceState) return;
    if (column !== '*') {
      this.#set(difference, after);
      return;
    }
    const key = keyOf({ catalog, identity: object });
    const others = (this.#facts.get(key) ?? []).filter(({ fact }) => {
      const row = JSON.stringify(fact.columns);
      return row !== before && row !== after;
    });
    const fact =
      after === null ? [] : [{ entry, fact: { catalog, identity: object, columns: JSON.parse(after) } }];
    this.#facts.set(key, [...others, ...fact]);
  }

  #comment(entry: KeptEntry, when: 'before' | 'after'): void {
    const kept = entry.schemaComment;
    if (kept === null) return;
    this.#comments.set(kept.schema, { entry, schema: kept.schema, comment: kept[when] });
  }
}

function keyOf({ catalog, identity }: Key): string {
  return `${catalog}\n${identity}`;
}
