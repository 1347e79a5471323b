import type { Session } from '../../session/session.ts';
import type { Closure } from '../closure.ts';
import type { Piece } from '../piece.ts';
import { captureAggregates } from './aggregates.ts';
import { captureCasts } from './casts.ts';
import { captureComments } from './comments.ts';
import { captureConstraints } from './constraints.ts';
import { capturePrivileges } from './default-privileges.ts';
import { captureDefaults } from './defaults.ts';
import { captureDomains } from './domains.ts';
import { captureExtensionLinks } from './extension-links.ts';
import { captureGrants } from './grants.ts';
import { captureIndexes } from './indexes.ts';
import { captureKeyTriggers } from './key-triggers.ts';
import { captureOperatorClasses } from './operator-classes.ts';
import { captureOperators } from './operators.ts';
import { capturePartitions } from './partitions.ts';
import { capturePolicies } from './policies.ts';
import { capturePublications } from './publications.ts';
import { captureRanges } from './ranges.ts';
import { captureRelations } from './relations.ts';
import { captureRoutines } from './routines.ts';
import { captureRules } from './rules.ts';
import { captureSequences } from './sequences.ts';
import { captureStatistics } from './statistics.ts';
import { captureTriggers } from './triggers.ts';
import { captureTypes } from './types.ts';
import { captureViews } from './views.ts';

/** Reads the statements that recreate the members of one family. */
export type Family = (session: Session, closure: Closure) => Promise<Piece[]>;

/** All families that can be restored. A member that none of them creates is refused. */
export const families = {
  relations: captureRelations,
  partitions: capturePartitions,
  sequences: captureSequences,
  defaults: captureDefaults,
  constraints: captureConstraints,
  indexes: captureIndexes,
  views: captureViews,
  rules: captureRules,
  triggers: captureTriggers,
  keyTriggers: captureKeyTriggers,
  policies: capturePolicies,
  statistics: captureStatistics,
  publications: capturePublications,
  routines: captureRoutines,
  aggregates: captureAggregates,
  casts: captureCasts,
  operators: captureOperators,
  operatorClasses: captureOperatorClasses,
  domains: captureDomains,
  ranges: captureRanges,
  types: captureTypes,
  extensionLinks: captureExtensionLinks,
  comments: captureComments,
  privileges: capturePrivileges,
  grants: captureGrants,
} as const satisfies Record<string, Family>;
