import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

// Neither the library types of this target nor those of Node name it.
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<object> };

const kept: object[] = [];

/**
 * Compiles a WebAssembly file of a package, and keeps it. V8 shares its machine code with all who compile the same bytes
 * while one of them lives, also in other threads, and so spares them that second.
 */
export async function keepCompiled(packageName: string, file: string): Promise<void> {
  const folder = dirname(createRequire(import.meta.url).resolve(packageName));
  kept.push(await WebAssembly.compile(readFileSync(join(folder, file))));
}

/** What the embedded server runs, which then starts in half the time in this process. */
export function keepEmbeddedCompiled(): Promise<void> {
  return keepCompiled('@electric-sql/pglite', 'pglite.wasm');
}
