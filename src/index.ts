// biome-ignore-all assist/source/organizeImports: grouped by use

// For migrations.
export type { DropOptions } from './options/options.ts';
export type { NamedTables, TablesInSchemas, TablesOfSchema } from './options/tables.ts';
export { type Ready, type ReversibleDrop, reversibleDrop } from './migration/reversible-drop.ts';

// For knexfiles.
export { type UndropConfigOptions, undropConfig } from './migration/knex-config.ts';

// For scripts that check a drop before it runs.
export type { Statement } from './capture/capture.ts';
export type { Obstacle } from './catalog/obstacle.ts';
export type { Filled } from './up/preconditions.ts';
export { planDrop } from './migration/plan-drop.ts';
export type { Plan } from './up/read-plan.ts';

// Errors.
export { type ErrorCode, UndropError } from './errors.ts';
