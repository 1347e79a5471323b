// Builds `dist` as it is published: one file in CommonJS, which every loader and test runner can load, and an ES module
// that exports it. So a project that mixes both has one copy of the package.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { buildSync, type StdinOptions, transformSync } from 'esbuild';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const require = createRequire(import.meta.url);
const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc');
const target = 'node20.19';

rmSync(dist, { recursive: true, force: true });
write('package.json', '{ "type": "commonjs" }\n');
write(
  'src/undrop.js',
  bundle(
    `export * as api from './src/index.ts'; export const command = () => import('./scripts/undrop.ts');`,
  ),
);
write('src/embedded-worker.js', bundle(`import './src/knex/embedded-worker.ts';`));
// For the demo.
for (const folder of ['migrations', 'seeds'])
  for (const file of readdirSync(join(root, folder)).filter((name) => name.endsWith('.ts')))
    write(`${folder}/${file.replace('.ts', '.js')}`, bundle(`export * from './${folder}/${file}';`));
write('scripts/undrop.js', `#!/usr/bin/env node\nrequire('../src/undrop.js').command();\n`);
chmodSync(join(dist, 'scripts/undrop.js'), 0o755);
const names = Object.keys(require(join(dist, 'src/undrop.js')).api)
  .sort()
  .join(', ');
write('src/index.js', `const { ${names} } = require('./undrop.js').api;\n\nmodule.exports = { ${names} };\n`);
write('index.mjs', `import undrop from './src/index.js';\n\nexport const { ${names} } = undrop;\n`);
write('index.d.mts', `export * from './src/index.js';\n`);
const { exported, types } = copyTypes();
process.stdout.write(`dist: exports ${names}; ${types} files of types from ${exported}\n`);

function write(path: string, text: string): void {
  mkdirSync(dirname(join(dist, path)), { recursive: true });
  writeFileSync(join(dist, path), text);
}

/** Returns the code with all that it imports from this project, except the public API as migrations import it. */
function bundle(contents: string): string {
  const stdin: StdinOptions = { contents, resolveDir: root };
  const { outputFiles } = buildSync({
    stdin,
    format: 'cjs',
    platform: 'node',
    target,
    absWorkingDir: root,
    bundle: true,
    packages: 'external',
    external: ['../src/index.ts'],
    write: false,
    // Jest runs files in a context without import().
    supported: { 'dynamic-import': false },
    // CommonJS has no import.meta, and is strict only if it says so.
    define: { 'import.meta.dirname': '__dirname', 'import.meta.url': '__url' },
    banner: { js: `"use strict";const __url=require('node:url').pathToFileURL(__filename).href;` },
    logOverride: { 'empty-import-meta': 'error' },
  });
  // Without the second argument, the default import of an ES module is its default export, as in TypeScript's output.
  const text = (outputFiles[0]?.text ?? '').replaceAll(/(__toESM\(require\("[^"]+"\)), 1\)/g, '$1)');
  // A second step, because a bundle that is minified at once has no names of functions for stack traces. Lines are limited
  // because Node prints the line of an error that nobody catches.
  const { code } = transformSync(text, { target, minify: true, lineLimit: 500 });
  return code.replace('../src/index.ts', '../src/index.js');
}

/** Copies the declarations that the public ones refer to. Only those that `index.ts` exports keep their comments. */
function copyTypes() {
  const made = mkdtempSync(join(root, 'node_modules/.cache-types-'));
  const emit = (...args: string[]) =>
    execFileSync(
      process.execPath,
      [compiler, '-p', 'tsconfig.build.json', '--noCheck', '--emitDeclarationOnly', ...args],
      { cwd: root, stdio: 'inherit' },
    );
  try {
    emit('--outDir', join(made, 'documented'));
    emit('--removeComments', '--outDir', join(made, 'bare'));
    const exported = 'src/index.d.ts';
    const named = (kind: string, file: string) =>
      [
        ...readFileSync(join(made, kind, file), 'utf8').matchAll(/(?:from|import\() ?'(\.[^']+)\.[jt]s'/g),
      ].map(([, name = '']) => join(dirname(file), `${name}.d.ts`));
    const exports = new Set([exported, ...named('documented', exported)]);
    const reached = new Set(exports);
    for (const file of reached) {
      const kind = exports.has(file) ? 'documented' : 'bare';
      for (const name of named(kind, file)) reached.add(name);
      cpSync(join(made, kind, file), join(dist, file));
    }
    return { exported, types: reached.size };
  } finally {
    rmSync(made, { recursive: true });
  }
}
