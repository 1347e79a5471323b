import { undropConfig } from './src/knex/config.ts';

export default undropConfig({ root: import.meta.dirname });
