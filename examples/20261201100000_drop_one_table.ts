import { reversibleDrop } from 'knex-undrop';

// Refused if there is a row in it, or if a view, a function or a foreign key of others needs it.
export const { up, down, ready } = reversibleDrop({
  name: import.meta.filename,
  tables: { old_runs: 'Unused since 2023.' },
});
