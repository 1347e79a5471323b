import { UndropError } from './errors.ts';

/** Where something is to be changed. */
export function onlyRead(database: string): UndropError {
  return new UndropError('unsupported-server', {
    subject: database,
    message: `${database} can only be read here.`,
    reason: 'This is a standby, or the role or database defaults to read-only transactions.',
    next: 'Connect to the primary server with a role that may write.',
  });
}
