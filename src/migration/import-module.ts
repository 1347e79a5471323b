import { pathToFileURL } from 'node:url';
import { UndropError } from '../errors.ts';

// https://nodejs.org/api/errors.html
const withoutLoader: readonly unknown[] = [
  'ERR_UNKNOWN_FILE_EXTENSION',
  'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
  'ERR_INVALID_TYPESCRIPT_SYNTAX',
];

/**
 * Imports a file.
 *
 * @throws UndropError `bad-options` if Node needs a loader for it; any error of the module
 */
export async function importModule(path: string): Promise<Record<string, unknown>> {
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    if (!withoutLoader.includes(Object(error).code)) throw error;
    throw new UndropError('bad-options', {
      subject: path,
      message: `${path} cannot be loaded.`,
      reason: `Node ${process.version} has no loader for it: ${(error as Error).message}`,
      next: 'Install tsx (npm install --save-dev tsx), and run it with NODE_OPTIONS=--import=tsx.',
      cause: error,
    });
  }
}
