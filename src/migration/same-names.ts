import { UndropError } from '../errors.ts';
import { groupBy } from '../text/group-by.ts';
import { shown } from '../text/printable.ts';
import { dropOptionsOf } from './reversible-drop.ts';

/** A loaded migration. */
export interface LoadedFile {
  readonly name: string;
  readonly file: string;
  readonly module: object;
  readonly hasRun: boolean;
}

/**
 * Refuses pending migrations that have the `name` option of another one, since the archive identifies entries by it.
 * Migrations that have all run are not refused, so that they can be rolled back.
 *
 * @throws UndropError `bad-options` with the files
 */
export function refuseSameNames(migrations: readonly LoadedFile[]): void {
  const drops = migrations.flatMap(({ module, ...migration }) => {
    const options = 'up' in module ? dropOptionsOf(module.up) : undefined;
    return options === undefined ? [] : [{ ...migration, name: options.name }];
  });
  for (const [name, same] of groupBy(drops, (drop) => drop.name)) {
    if (same.length < 2 || same.every(({ hasRun }) => hasRun)) continue;
    throw new UndropError('bad-options', {
      subject: name,
      message: `${same.length} migrations have the name ${shown(name)}.`,
      reason: `${same.map(({ file }) => file).join(' and ')} have the same name option, by which the archive identifies their entries.`,
      next: 'Give each of them a name of its own, such as name: import.meta.filename.',
    });
  }
}
