import { sqlState, UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { say } from '../text/log.ts';

/** The comment on the schema before `up`, and the one that `up` set. */
export interface SchemaComment {
  readonly schema: string;
  readonly before: string | null;
  readonly after: string;
}

const commentSql = /* sql */ `
  select pg_catalog.obj_description(n.oid, 'pg_namespace') as comment
  from pg_catalog.pg_namespace as n where n.nspname = $1`;

/**
 * Sets the comment and returns it together with the previous one.
 *
 * @throws UndropError `insufficient-privilege`
 */
export async function setSchemaComment(
  session: Session,
  schema: string,
  comment: string,
): Promise<SchemaComment> {
  const before = await readComment(session, schema);
  await write(session, schema, comment);
  return { schema, before, after: comment };
}

/** Restores the previous comment, unless the comment was changed after `up`. */
export async function restoreSchemaComment(session: Session, kept: SchemaComment): Promise<void> {
  const current = await readComment(session, kept.schema);
  if (current === kept.after) await write(session, kept.schema, kept.before);
  else if (current !== kept.before)
    say(`The comment on schema ${kept.schema} was changed after the drop and is left as it is.`);
}

export async function readComment(session: Session, schema: string): Promise<string | null> {
  const [row] = await session.read<{ comment: string | null }>(commentSql, [schema]);
  return row?.comment ?? null;
}

/** Returns the statement that sets the comment. */
export async function schemaCommentSql(
  session: Session,
  schema: string,
  comment: string | null,
): Promise<string> {
  const [row] = await session.read<{ sql: string }>(
    `select pg_catalog.format('comment on schema %I is %L', $1::text, $2::text) as sql`,
    [schema, comment],
  );
  return row?.sql ?? '';
}

async function write(session: Session, schema: string, comment: string | null): Promise<void> {
  try {
    await session.run(await schemaCommentSql(session, schema, comment));
  } catch (error) {
    if (sqlState(error) !== '42501') throw error;
    throw new UndropError('insufficient-privilege', {
      subject: schema,
      message: `The role ${session.role} may not comment on the schema ${schema}.`,
      reason: 'Only the owner of a schema may comment on it.',
      next: 'Run the migration as the owner, or set UNDROP_SCHEMA_COMMENT=off to leave the comment unchanged.',
      cause: error,
    });
  }
}
