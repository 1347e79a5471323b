import { appendFileSync } from 'node:fs';
import { expect } from 'chai';
import { build, roles } from './random/build.ts';
import { shrink, writeCase } from './random/shrink.ts';
import { attempt, type Trial } from './random/trial.ts';
import { inCase } from './support/case-folders.ts';
import { useServer } from './support/use-database.ts';

// UNDROP_RANDOM_SECONDS is the duration; UNDROP_RANDOM_SEED is the first seed, so that a run can be repeated.
const seconds = Number(process.env.UNDROP_RANDOM_SECONDS ?? 10);
const first = Number(process.env.UNDROP_RANDOM_SEED ?? Math.floor(Math.random() * 1_000_000_000));
const steps = Number(process.env.UNDROP_RANDOM_STEPS ?? 250);

describe(`random schemas, UNDROP_RANDOM_SEED=${first}`, () => {
  const server = useServer();
  it(`satisfy the laws, for ${seconds} s`, async function () {
    this.timeout(0);
    const counts = new Map<string, number>();
    const add = (name: string, number = 1) => counts.set(name, (counts.get(name) ?? 0) + number);
    const end = Date.now() + seconds * 1000;
    // Some schemas are refused, so it continues until one has been restored.
    for (let seed = first; !counts.has('restored') || Date.now() < end; seed++) {
      const trial = await draw(seed);
      const result = await attempt(server, trial);
      add('schemas');
      add('objects', result.objects);
      add([result.end, result.what].filter((word) => word !== '').join(': '));
      const log = process.env.UNDROP_RANDOM_LOG;
      if (log) appendFileSync(log, `${JSON.stringify({ seed, major: server.major, ...result })}\n`);
      if (result.end === 'broken') await fail(seed, trial, result.what, result.detail);
    }
    if (this.test)
      this.test.title += ` (${[...counts].map(([name, number]) => `${name} ${number}`).join(', ')})`;
    expect(counts.get('restored') ?? 0, 'restored').to.be.above(0);
  });

  async function draw(seed: number): Promise<Trial> {
    let trial: Trial | undefined;
    await inCase(server, roles, async (_, { name }) => {
      const client = await server.client(name);
      try {
        const { statements, tables } = await build(client, steps, seed);
        trial = { statements, tables: chosen(tables, seed), options: optionsOf(seed) };
      } finally {
        await client.end();
      }
    });
    if (trial === undefined) throw new Error('no schema was made');
    return trial;
  }

  async function fail(seed: number, trial: Trial, what: string, detail: string): Promise<never> {
    const breaks = async (smaller: Trial) => (await attempt(server, smaller)).what === what;
    const smallest = await shrink(trial, breaks, Date.now() + 300_000);
    const { detail: shown } = await attempt(server, smallest);
    const folder = writeCase(`random--${seed}`, smallest, roles);
    throw new Error(
      `UNDROP_RANDOM_SEED=${seed}: ${what}. It has become the case ${folder}:\n${smallest.statements.join(';\n')}\n\n${shown || detail}`,
    );
  }
});

/** Chooses one to five tables, or in a third of the cases half of all. */
function chosen(tables: readonly string[], seed: number): string[] {
  const count = seed % 3 === 0 ? Math.ceil(tables.length / 2) : 1 + (seed % 5);
  return tables.filter((_, index) => (index * 7919 + seed) % tables.length < count);
}

function optionsOf(seed: number): Trial['options'] {
  const rows = seed % 10 === 1 ? 'refuse' : seed % 2 === 0 ? 'move' : 'copy';
  return { dependents: seed % 10 === 0 ? 'refuse' : 'cascade', rows };
}
