import { reversibleDrop } from 'knex-undrop';

// Refused if the table has rows, or if a view, a function or a foreign key of another table depends on it.
export const { up, down, ready } = reversibleDrop({
  name: import.meta.filename,
  tables: { old_runs: 'Unused since 2023.' },
});
