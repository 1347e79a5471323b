import { undropConfig } from './src/migration/knex-config.ts';

export default undropConfig({ root: import.meta.dirname });
