import { UndropError } from '../errors.ts';
import { groupBy } from '../text/group-by.ts';
import { shown } from '../text/printable.ts';
import { dropOptionsOf } from './reversible-drop.ts';

/** A migration, loaded. */
export interface LoadedFile {
  readonly name: string;
  readonly file: string;
  readonly module: object;
  readonly hasRun: boolean;
}

/**
 * Of migrations that drop tables under one name the archive could not tell which is which. Those that have run can still be
 * rolled back, as the archive allows it.
 *
 * @throws UndropError `bad-options` naming the files
 */
export function refuseSameNames(migrations: readonly LoadedFile[]): void {
  const drops = migrations.flatMap(({ module, ...one }) => {
    const options = 'up' in module ? dropOptionsOf(module.up) : undefined;
    return options === undefined ? [] : [{ ...one, name: options.name }];
  });
  for (const [name, same] of groupBy(drops, (one) => one.name)) {
    if (same.length < 2 || same.every(({ hasRun }) => hasRun)) continue;
    throw new UndropError('bad-options', {
      subject: name,
      message: `${same.length} migrations have the name ${shown(name)}.`,
      reason: `It is the name in ${same.map(({ file }) => file).join(' and ')}; the archive keeps what they drop under it.`,
      next: 'Give each of them a name of its own, such as name: import.meta.filename.',
    });
  }
}
