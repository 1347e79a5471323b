import { reversibleDrop } from 'knex-undrop';

// The rows are kept in the schema `undrop` until pruned. The two views are dropped and restored with the table.
export const { up, down, ready } = reversibleDrop({
  name: import.meta.filename,
  tables: { invoices: 'Kept by the accounting service now.' },
  rows: 'copy',
  dependents: 'cascade',
});
