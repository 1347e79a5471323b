const { reversibleDrop } = require('knex-undrop');

module.exports = reversibleDrop({
  name: __filename,
  tables: {
    a_table: 'Why it can be dropped.',
  },
});
