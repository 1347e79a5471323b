// biome-ignore-all assist/source/organizeImports: they are in the order in which one meets them

// What a migration uses.
export type { DropOptions } from './options/options.ts';
export { type Ready, type ReversibleDrop, reversibleDrop } from './migration/reversible-drop.ts';

// What a knexfile uses.
export { type UndropConfigOptions, undropConfig } from './migration/knex-config.ts';

// What a script uses to look before it drops.
export type { Statement } from './capture/capture.ts';
export type { Obstacle } from './catalog/obstacle.ts';
export type { Filled } from './up/preconditions.ts';
export { planDrop } from './migration/plan-drop.ts';
export type { Plan } from './up/read-plan.ts';

// What all of them throw.
export { type ErrorCode, UndropError } from './errors.ts';
