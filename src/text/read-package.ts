import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Returns what the package.json of a folder says; nothing if there is none that can be read. */
export function readPackage(folder: string): { name?: unknown; version?: unknown; type?: unknown } {
  try {
    return Object(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')));
  } catch {
    return {};
  }
}
