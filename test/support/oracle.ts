import { readClosure } from '../../src/catalog/closure.ts';
import { parseTableName } from '../../src/options/table-name.ts';
import type { Session } from '../../src/session/session.ts';
import { findTables } from '../../src/up/find-tables.ts';

/** Makes the server record the objects that it drops. */
export const watch = /* sql */ `
  create schema oracle;
  create table oracle.dropped (classid oid, objid oid, objsubid int, kind text, identity text);
  create function oracle.note() returns event_trigger language plpgsql as $$
    begin
      insert into oracle.dropped
      select o.classid, o.objid, o.objsubid, o.object_type, o.object_identity
      from pg_catalog.pg_event_trigger_dropped_objects() as o;
    end $$;
  create event trigger oracle on sql_drop execute function oracle.note();`;

interface Dropped {
  classid: number;
  objid: number;
  objsubid: number;
  kind: string;
  identity: string;
}

/** Returns the computed closure, and the objects that the server reports as dropped. `watch` must have run. */
export async function predictAndDrop(session: Session, names: readonly string[]) {
  const { members } = await readClosure(session, await oidsOf(session, names));
  await dropCascade(session, names);
  const dropped = await session.read<Dropped>(
    'select classid::bigint, objid::bigint, objsubid, kind, identity from oracle.dropped',
  );
  return { predicted: lines(members), dropped: lines(dropped) };
}

/** Leaves out columns of objects that are dropped as a whole, which the server may report too. */
function lines(objects: readonly Dropped[]): string[] {
  const whole = new Set(
    objects.filter(({ objsubid }) => objsubid === 0).map(({ classid, objid }) => `${classid} ${objid}`),
  );
  return objects
    .filter(({ classid, objid, objsubid }) => objsubid === 0 || !whole.has(`${classid} ${objid}`))
    .map(
      ({ classid, objid, objsubid, kind, identity }) =>
        `${kind} ${identity} (${classid} ${objid} ${objsubid})`,
    )
    .sort();
}

/** Returns the result of the work, and rolls back its changes. */
export async function undone<T>(session: Session, work: () => Promise<T>): Promise<T> {
  let given: { value: T } | undefined;
  const undo = new Error('undo');
  await session
    .attempt(async () => {
      given = { value: await work() };
      throw undo;
    })
    .catch((error) => {
      if (error !== undo) throw error;
    });
  if (given === undefined) throw undo;
  return given.value;
}

async function found(session: Session, names: readonly string[]) {
  const { tables } = await findTables(
    session,
    names.map((name) => ({ ...parseTableName(name), reason: undefined })),
  );
  return tables;
}

export async function oidsOf(session: Session, names: readonly string[]): Promise<number[]> {
  return (await found(session, names)).map(({ oid }) => oid);
}

export async function namesOf(session: Session, names: readonly string[]): Promise<string[]> {
  return (await found(session, names)).map(({ sql }) => sql);
}

export async function dropCascade(session: Session, names: readonly string[]): Promise<void> {
  const sql = await namesOf(session, names);
  await session.run(`set constraints all immediate; drop table ${sql.join(', ')} cascade`);
}
