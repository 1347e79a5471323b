import { compareFacts, type Difference } from '../capture/compare.ts';
import type { Fact } from '../catalog/facts/facts.ts';
import { expressions } from '../catalog/facts/normal.ts';
import { isResolved } from '../catalog/facts/normal-rows.ts';
import { type Features, featuresOf, type Server } from '../session/server.ts';
import { haveResolved, withoutResolved } from './earlier-entries.ts';

/** The result of a comparison. */
export interface Verdict {
  readonly differences: Difference[];
  /** Expressions that the two major versions print differently, so that they cannot be compared. */
  readonly printed: Difference[];
}

/**
 * Compares archived facts with those of this server. If the server was upgraded to another major version, by pg_upgrade
 * or a dump, only what both versions have is compared.
 *
 * @param version `server_version` of the server that wrote the archive
 */
export function compareArchived(
  version: string,
  archived: readonly Fact[],
  server: Server,
  facts: readonly Fact[],
): Verdict {
  const major = Number.parseInt(version, 10);
  if (major === server.major) {
    const comparable = haveResolved(archived) ? facts : facts.map(withoutResolved);
    return { differences: compareFacts(archived, comparable), printed: [] };
  }
  const before = featuresOf(major);
  const differences = compareFacts(
    reduce(archived, facts, before, server),
    reduce(facts, archived, server, before),
  );
  const isPrinted = ({ catalog, column, before: was, after: is }: Difference) =>
    expressions[`${catalog}.${column}`] !== undefined && was !== null && is !== null;
  return {
    differences: differences.filter((difference) => !isPrinted(difference)),
    printed: differences.filter(isPrinted),
  };
}

/** Reduces facts to what the other server can have. */
function reduce(facts: readonly Fact[], others: readonly Fact[], own: Features, other: Features): Fact[] {
  const known = new Map<string, Set<string>>();
  for (const { catalog, columns } of others) {
    const names = known.get(catalog) ?? new Set();
    for (const name of Object.keys(columns)) names.add(name);
    known.set(catalog, names);
  }
  const isUnknown = notNullRows(facts, own, other);
  const isRemoved = own.viewsNameThemselves && !other.viewsNameThemselves ? isOwnView : () => false;
  const sameLists = own.maintain !== other.maintain;
  return facts
    .filter((fact) => !isUnknown(fact) && !isRemoved(fact))
    .map(({ catalog, identity, columns }) => {
      const names = known.get(catalog);
      const common = Object.entries(columns)
        .filter(([name]) => names?.has(name) ?? true)
        .map(([name, value]) => {
          if (value === null) return [name, null];
          if (name === 'relacl' && sameLists) return [name, dropMaintain(value)];
          return [name, plain(isResolved(name) ? callsIn(value) : value)];
        });
      return { catalog, identity: plain(identity), columns: Object.fromEntries(common) };
    });
}

/**
 * The operators and functions of an expression, without duplicates. Major versions build different trees: since 18, a
 * tree holds grouping expressions twice.
 */
function callsIn(list: string): string {
  const names: string[] = JSON.parse(list);
  const calls = names.filter((name) => /^(operator (?!class |family )|function |aggregate )/.test(name));
  return [...new Set(calls)].sort().join('\n');
}

/** Since 17, `json` is a keyword, and the identity of the type has no schema. */
function plain(text: string): string {
  return text.replace(/\bpg_catalog\.json(?![\w$])/g, 'json');
}

/** Up to 15, the rule of a view had a dependency on the view itself. */
function isOwnView({ catalog, identity, columns }: Fact): boolean {
  const { classid, deptype, refobjid } = columns;
  if (catalog !== 'pg_depend' || deptype !== 'n' || classid?.endsWith('pg_rewrite') !== true) return false;
  return refobjid?.replace(/^(materialized )?view /, '') === identity.replace(/^rule "_RETURN" on /, '');
}

/**
 * NOT NULL constraints and their dependencies, where the other server has none. `attnotnull` is compared in any case.
 */
function notNullRows(facts: readonly Fact[], own: Features, other: Features): (fact: Fact) => boolean {
  const ofDomains = own.namedDomainNotNull && !other.namedDomainNotNull;
  const ofTables = own.namedNotNull && !other.namedNotNull;
  const names = new Set(
    facts.flatMap(({ catalog, identity, columns }) =>
      catalog === 'pg_constraint' &&
      columns.contype === 'n' &&
      (columns.conrelid === null ? ofDomains : ofTables)
        ? [identity]
        : [],
    ),
  );
  return ({ catalog, identity, columns }) =>
    names.has(identity) &&
    (catalog === 'pg_constraint' || columns.classid?.endsWith('pg_constraint') === true);
}

/** An access privileges list without MAINTAIN, which an owner has since 17. */
function dropMaintain(list: string): string {
  const items: string[] = JSON.parse(list);
  const item = /^((?:"(?:[^"]|"")*"|[^"=])*=)([^/]*)/;
  return JSON.stringify(
    items.map((text) => text.replace(item, (_, who, what) => who + what.replace(/m\*?/, ''))),
  );
}
