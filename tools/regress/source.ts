import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const sources = '/etc/apt/sources.list.d/debian.sources';
const name = 'postgresql-15';

/**
 * Downloads Debian's source package of PostgreSQL 15, with lists of packages of its own, and unpacks it into the folder.
 * The newest version is not always served, so the older ones are tried too.
 *
 * @returns the folder of the sources, and why the newer versions could not be had; no folder if none could
 */
export function fetchSource(folder: string): { source: string | undefined; notes: string[] } {
  if (!existsSync(sources)) return { source: undefined, notes: [`there is no ${sources}`] };
  const notes: string[] = [];
  const apt = aptIn(folder);
  const update = apt('apt-get', ['update', '-qq']);
  if (update.status !== 0) return { source: undefined, notes: [`apt-get update: ${update.said}`] };
  const shown = apt('apt-cache', ['showsrc', name]).said;
  const versions = [...shown.matchAll(/^Version: (.*)$/gm)].map(([, version = '']) => version);
  const newestFirst = versions.sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));
  for (const version of newestFirst) {
    const got = apt('apt-get', ['source', '-qq', '--download-only', `${name}=${version}`]);
    const file = readdirSync(folder).find((one) => /\.orig\.tar\.\w+$/.test(one));
    if (got.status !== 0 || file === undefined) {
      notes.push(`${version} cannot be had: ${got.said.split('\n').find((line) => line.startsWith('E:'))}`);
      continue;
    }
    const tar = spawnSync('tar', ['-xf', file], { cwd: folder, stdio: ['ignore', 2, 2] });
    const source = readdirSync(folder).find((one) => /^postgresql-[\d.]+$/.test(one));
    if (tar.status !== 0 || source === undefined) throw new Error(`${file} could not be unpacked.`);
    return { source: join(folder, source), notes };
  }
  return { source: undefined, notes: notes.length > 0 ? notes : [`apt knows no source of ${name}`] };
}

/** Returns a function that runs apt with its state in the folder, and source packages beside the system's packages. */
function aptIn(
  folder: string,
): (program: string, args: readonly string[]) => { status: number; said: string } {
  for (const one of ['parts', 'lists/partial', 'cache/archives/partial'])
    mkdirSync(join(folder, one), { recursive: true });
  const text = readFileSync(sources, 'utf8').replaceAll(/^Types: .*$/gm, 'Types: deb-src');
  writeFileSync(join(folder, 'parts/debian.sources'), text);
  const options = {
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Etc::sourceparts': join(folder, 'parts'),
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::Cache': join(folder, 'cache'),
    'APT::Sandbox::User': 'root',
    'Acquire::Retries': '0',
    'Acquire::http::Timeout': '20',
  };
  const set = Object.entries(options).flatMap(([option, value]) => ['-o', `${option}=${value}`]);
  return (program, args) => {
    const env = { ...process.env, LC_ALL: 'C' };
    const { status, stdout, stderr } = spawnSync(program, [...set, ...args], {
      cwd: folder,
      encoding: 'utf8',
      env,
    });
    return { status: status ?? 1, said: `${stdout ?? ''}${stderr ?? ''}` };
  };
}
