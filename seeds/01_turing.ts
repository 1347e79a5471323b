import type { Knex } from 'knex';
import { UndropError } from '../src/index.ts';
import { actors } from './turing/actors.ts';
import { ghosts } from './turing/ghosts.ts';
import { grants } from './turing/grants.ts';
import { identity } from './turing/identity.ts';
import { interactions } from './turing/interactions.ts';
import { names } from './turing/names.ts';
import { postings } from './turing/postings.ts';
import { quality } from './turing/quality.ts';
import { scripts } from './turing/scripts.ts';
import { skills } from './turing/skills.ts';
import { types } from './turing/types.ts';
import { views } from './turing/views.ts';
import { workflows } from './turing/workflows.ts';

// Each part references only parts before it. No part may contain a question mark: Knex would take it for a binding.
const parts = [
  types,
  identity,
  skills,
  postings,
  actors,
  workflows,
  interactions,
  scripts,
  quality,
  ghosts,
  views,
  grants,
];

/** Creates the `turing` database of the proposal: 74 tables, 23 of them empty. */
export async function seed(knex: Knex): Promise<void> {
  if (process.env.NODE_ENV === 'production') refuse('NODE_ENV is production.');

  await knex.transaction(async (trx) => {
    const [first, ...others] = await takenNames(trx);
    const more = others.length > 0 ? ` and ${others.length} more` : '';
    if (first) refuse(`Schema public already has ${first}${more}.`);
    for (const part of parts) await trx.raw(part);
  });
}

const takenQuery = /* sql */ `
  select distinct taken.name
  from (
    select relname::text, relnamespace from pg_catalog.pg_class
    union all select typname::text, typnamespace from pg_catalog.pg_type
    union all select proname::text, pronamespace from pg_catalog.pg_proc
  ) as taken (name, namespace)
  where taken.namespace = pg_catalog.to_regnamespace('public') and taken.name = any (:names::text[])
  order by taken.name`;

async function takenNames(knex: Knex): Promise<string[]> {
  const { rows } = await knex.raw<{ rows: { name: string }[] }>(takenQuery, { names });
  return rows.map((row) => row.name);
}

function refuse(reason: string): never {
  throw new UndropError('not-seedable', {
    subject: 'public',
    message: 'The turing seed was not run, and nothing was changed.',
    reason,
    next: 'Run it on a new, empty database outside production.',
  });
}
