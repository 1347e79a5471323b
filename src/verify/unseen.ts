import type { FactRecord } from '../baseline/records.ts';
import type { Check } from './format.ts';

/** Lists what no check reads; `docs/verify.md` explains it. A record of an earlier version holds less. */
export function describeUnseen(record: FactRecord | undefined): Check {
  const items = record?.surroundings === undefined ? [...objectsOnly, ...always] : always;
  return { name: 'not looked at', state: 'not checked', found: items.join(', ') };
}

const objectsOnly = [
  'owner, privileges and settings of the database',
  'roles and their settings',
  'users of user mappings',
  'subscriptions',
];

const always = [
  'rows',
  'states of sequences',
  'large objects',
  'passwords',
  'options of user mappings',
  'connections of subscriptions',
  'tablespaces',
  'configuration of the server',
  'temporary objects',
  'objects of extensions',
  'the schema undrop',
];
