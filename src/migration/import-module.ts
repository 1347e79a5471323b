import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { UndropError } from '../errors.ts';

// https://nodejs.org/api/errors.html
const withoutLoader: readonly unknown[] = [
  'ERR_UNKNOWN_FILE_EXTENSION',
  'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
  'ERR_INVALID_TYPESCRIPT_SYNTAX',
];

const withoutImport: readonly unknown[] = [
  'ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING',
  'ERR_VM_DYNAMIC_IMPORT_CALLBACK_MISSING_FLAG',
];

// In the CommonJS build, TypeScript turns a plain import() into require().
const importUrl = new Function('url', 'return import(url)') as (url: string) => Promise<Module>;

type Module = Record<string, unknown>;

/**
 * Imports a file, an ES module or CommonJS. In the CommonJS build, `require` loads what `import()` cannot: below Jest, which
 * runs files in a context without it, and with loaders that hook only into `require`, such as ts-node.
 *
 * @throws UndropError `bad-options` if Node needs a loader for it; any error of the module
 */
export async function importModule(path: string): Promise<Module> {
  try {
    return await importUrl(pathToFileURL(path).href);
  } catch (error) {
    const { code }: { code?: unknown } = Object(error);
    if (typeof require === 'function' && isForRequire(code, path)) return require(path);
    if (!withoutLoader.includes(code)) throw error;
    throw new UndropError('bad-options', {
      subject: path,
      message: `${path} cannot be loaded.`,
      reason: `Node ${process.version} has no loader for it: ${(error as Error).message}`,
      next: canResolve('tsx', path)
        ? 'Set NODE_OPTIONS=--import=tsx, for Knex too.'
        : 'Install tsx (npm install --save-dev tsx), and set NODE_OPTIONS=--import=tsx, for Knex too.',
      cause: error,
    });
  }
}

/** Whether the file can import the package. */
function canResolve(name: string, path: string): boolean {
  try {
    createRequire(path).resolve(name);
    return true;
  } catch {
    return false;
  }
}

function isForRequire(code: unknown, path: string): boolean {
  return (
    withoutImport.includes(code) || (withoutLoader.includes(code) && extname(path) in require.extensions)
  );
}
