// biome-ignore-all assist/source/organizeImports: they are in the order in which one meets them

// What a migration uses.
export type { DropOptions } from './options.ts';
export { type Ready, type ReversibleDrop, reversibleDrop } from './reversible-drop.ts';

// What a knexfile uses.
export { type UndropConfigOptions, undropConfig } from './knex/config.ts';

// What a script uses to look before it drops.
export type { Statement } from './capture.ts';
export type { Obstacle } from './catalog/refusals.ts';
export type { Filled } from './check.ts';
export { type Plan, planDrop } from './plan-drop.ts';

// What all of them throw.
export { type ErrorCode, UndropError } from './errors.ts';
