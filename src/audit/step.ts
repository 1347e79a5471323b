import { UndropError } from '../errors.ts';
import type { Audit } from './audit.ts';

/** What `--strict` ends with where code names tables that do not exist, or tables exist that no code names. */
export function outOfStep({ database, code }: Audit): UndropError | undefined {
  if (code === null) {
    return new UndropError('bad-options', {
      subject: '--strict',
      message: '--strict compares schema and code, and no code was searched.',
      reason: 'Neither --code nor CODE_ROOTS names a folder.',
      next: 'Add --code, such as --code core,scripts,workflows.',
    });
  }
  const { missing, unnamed } = code;
  if (missing.length + unnamed.length === 0) return undefined;
  return new UndropError('code-differs', {
    subject: database,
    message: `The schema of ${database} and the code are not in step.`,
    reason: [
      ...missing.map(({ name, file, line }) => `${name} does not exist: ${file}:${line}`),
      ...unnamed.map((name) => `${name} is named by no code`),
    ].join('\n'),
    next: 'Correct the code, or drop what is no longer needed.',
  });
}
