import { UndropError } from '../errors.ts';
import type { Audit } from './audit.ts';

/** Returns the error of `--strict` if the code names missing tables, or does not name an existing one. */
export function outOfStep({ database, code }: Audit): UndropError | undefined {
  if (code === null) {
    return new UndropError('bad-options', {
      subject: '--strict',
      message: '--strict compares the schema with the code, but no code was searched.',
      reason: 'Neither --code nor CODE_ROOTS is set.',
      next: 'Set --code to the folders of your application, for example --code ../app/src,../app/scripts.',
    });
  }
  const { missing, unnamed } = code;
  if (missing.length + unnamed.length === 0) return undefined;
  return new UndropError('code-differs', {
    subject: database,
    message: `The schema of ${database} and the code do not match.`,
    reason: [
      ...missing.map(({ name, file, line }) => `${name} does not exist: ${file}:${line}`),
      ...unnamed.map((name) => `${name} is not named in the code`),
    ].join('\n'),
    next: 'Correct the code, or drop the tables that are no longer needed.',
  });
}
