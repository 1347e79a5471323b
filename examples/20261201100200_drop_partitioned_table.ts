import { reversibleDrop } from 'knex-undrop';

// Partitions are separate tables: name all of them, or set `dependents: 'cascade'`.
export const { up, down, ready } = reversibleDrop({
  name: import.meta.filename,
  tables: ['events', 'events_2024', 'events_2025', 'events_2025_other'],
});
