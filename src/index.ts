// What a migration uses.

// What all of them throw.
export { type ErrorCode, UndropError } from './errors.ts';
// What a knexfile uses.
export { undropConfig } from './knex/config.ts';
export type { DropOptions } from './options.ts';
// What a script uses to look before it drops.
export { type Plan, planDrop } from './plan-drop.ts';
export { type ReversibleDrop, reversibleDrop } from './reversible-drop.ts';
