import { reversibleDrop } from 'knex-undrop';

export const { up, down, ready } = reversibleDrop({
  name: import.meta.filename,
  tables: {
    a_table: 'Why it can be dropped.',
  },
});
