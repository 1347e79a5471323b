import type { Entry } from '../archive/entry.ts';
import type { Survivor } from '../catalog/closure.ts';
import { readTypeUsers } from '../catalog/type-users.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';

/**
 * Checks that nothing holds values of a composite type whose attributes the restore drops and adds again.
 *
 * @throws UndropError `restore-failed`
 */
export async function checkTypes(
  session: Session,
  { survivorChanges }: Entry,
  survivors: readonly Survivor[],
): Promise<void> {
  // Attributes that the drop has moved, because they follow a lost one.
  const moved = survivorChanges.filter(
    ({ object, catalog, column }) =>
      catalog === 'pg_attribute' && column === 'attnum' && object.startsWith('composite type column '),
  );
  const types = survivors.filter(({ identity }) =>
    moved.some(({ object }) => object.startsWith(`composite type column ${identity}.`)),
  );
  if (types.length === 0) return;
  const users = await readTypeUsers(
    session,
    types.map(({ oid }) => oid),
  );
  if (users.length === 0) return;
  const names = new Map(types.map(({ oid, identity }) => [oid, identity]));
  const used = users.map((row) => ({ ...row, type: names.get(row.relation) ?? '' }));
  throw new UndropError('restore-failed', {
    subject: used.map(({ type }) => type).join(', '),
    message: 'Attributes of composite types cannot be restored at their places.',
    reason: used.map((row) => `${row.type} is used by ${row.users} now.`).join('\n'),
    next: 'Nothing was changed. Drop these objects, run it again, and then recreate them.',
  });
}
