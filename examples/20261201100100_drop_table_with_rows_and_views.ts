import { reversibleDrop } from 'knex-undrop';

// The rows stay in the schema `undrop` until they are pruned; the two views go and come back with the table.
export const { up, down, ready } = reversibleDrop({
  name: import.meta.filename,
  tables: { invoices: 'Kept by the accounting service now.' },
  rows: 'copy',
  dependents: 'cascade',
});
