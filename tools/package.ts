// Builds `dist` as it is published: CommonJS, which every loader and test runner can load, and ES modules that export it.
// So a project that mixes both has one copy of the package.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { transformSync } from 'esbuild';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const require = createRequire(import.meta.url);
const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc');
const compile = (...args: string[]) =>
  execFileSync(process.execPath, [compiler, ...args], { cwd: root, stdio: 'inherit' });

rmSync(dist, { recursive: true, force: true });
compile('-p', 'tsconfig.package.json', '--noCheck', '--outDir', dist);
writeFileSync(join(dist, 'package.json'), '{ "type": "commonjs" }\n');
for (const file of readdirSync(dist, { recursive: true, encoding: 'utf8' }))
  if (file.endsWith('.js')) finish(join(dist, file));
const { exported, types } = copyTypes();
const names = Object.keys(require(join(dist, 'src/index.js'))).sort();
writeFileSync(
  join(dist, 'index.mjs'),
  `import undrop from './src/index.js';\n\nexport const { ${names.join(', ')} } = undrop;\n`,
);
writeFileSync(join(dist, 'index.d.mts'), `export * from './src/index.js';\n`);
process.stdout.write(`dist: exports ${names.join(', ')}; ${types} files of types from ${exported}\n`);

/** Minifies a file, and replaces `import.meta`, which TypeScript leaves as it is and which is an error in CommonJS. */
function finish(file: string): void {
  const { code } = transformSync(readFileSync(file, 'utf8'), {
    sourcefile: file,
    // Names of functions of a module are kept, for stack traces.
    minify: true,
    platform: 'node',
    target: 'node20.19',
    define: { 'import.meta.dirname': '__dirname', 'import.meta.url': '__url' },
    logOverride: { 'empty-import-meta': 'error' },
  });
  const url = `const __url=require('node:url').pathToFileURL(__filename).href;`;
  writeFileSync(file, code.includes('__url') ? code.replace('"use strict";', `"use strict";${url}`) : code);
}

/** Copies the declarations that the public ones refer to. Only those that `index.ts` exports keep their comments. */
function copyTypes() {
  const made = mkdtempSync(join(root, 'node_modules/.cache-types-'));
  const emit = (...args: string[]) =>
    compile('-p', 'tsconfig.build.json', '--noCheck', '--emitDeclarationOnly', ...args);
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
