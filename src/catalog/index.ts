import type { Session } from '../session.ts';
import type { Closure } from './closure.ts';
import { captureComments } from './comments.ts';
import { captureConstraints } from './constraints.ts';
import { captureDefaults } from './defaults.ts';
import { captureGrants } from './grants.ts';
import { captureIndexes } from './indexes.ts';
import type { Piece } from './piece.ts';
import { capturePolicies } from './policies.ts';
import { capturePublications } from './publications.ts';
import { captureRelations } from './relations.ts';
import { captureRules } from './rules.ts';
import { captureSequences } from './sequences.ts';
import { captureStatistics } from './statistics.ts';
import { captureTriggers } from './triggers.ts';
import { captureViews } from './views.ts';

/** Reads what it takes to make the members of one family again. */
export type Family = (session: Session, closure: Closure) => Promise<Piece[]>;

/** Every family that can be restored. A member that none of them makes is refused. */
export const families = {
  relations: captureRelations,
  sequences: captureSequences,
  defaults: captureDefaults,
  constraints: captureConstraints,
  indexes: captureIndexes,
  views: captureViews,
  rules: captureRules,
  triggers: captureTriggers,
  policies: capturePolicies,
  statistics: captureStatistics,
  publications: capturePublications,
  comments: captureComments,
  grants: captureGrants,
} as const satisfies Record<string, Family>;
