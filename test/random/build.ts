import type pg from 'pg';
import { rolePrefix } from '../support/role-prefix.ts';
import { draw, drawSteps } from './draw.ts';
import { history } from './history.ts';
import { ownColumnTypes, ownMakers, ownTypes } from './own-types.ts';
import { parts } from './parts.ts';
import { type Maker, relations } from './relations.ts';
import { emptyState } from './state.ts';

const makers: Readonly<Record<string, Maker>> = { ...relations, ...parts, ...ownMakers, ...history };

/** The weight of each kind of statement; the default is 3. */
const weights: Readonly<Record<string, number>> = {
  schema: 1,
  table: 9,
  view: 8,
  index: 8,
  comment: 8,
  grant: 8,
  rows: 8,
  marks: 8,
  foreignKey: 8,
  unique: 6,
  trigger: 5,
  partitioned: 2,
  foreignTable: 1,
  defaultPrivileges: 1,
  owner: 1,
  ownView: 6,
  ownPart: 8,
  ownPartitioned: 1,
  renameColumn: 6,
  renameTable: 2,
  dropColumn: 2,
  setSchema: 1,
};

export const roles = `create role ${rolePrefix}_a nologin; create role ${rolePrefix}_b nologin; grant ${rolePrefix}_b to postgres`;

export interface Built {
  /** The statements that the server accepted; each text is one or several statements. */
  readonly statements: string[];
  /** The existing tables, qualified and quoted. */
  readonly tables: string[];
}

/**
 * Creates a schema. Statements that the server rejects are left out, so that the generators need not know its rules.
 *
 * @param count the number of steps
 */
export async function build(client: pg.Client, count: number, seed: number): Promise<Built> {
  const kinds = Object.fromEntries(Object.keys(makers).map((kind) => [kind, weights[kind] ?? 3]));
  const state = emptyState();
  state.types.push(...ownColumnTypes);
  const statements: string[] = [];
  for (const sql of ownTypes) if (await takes(client, sql)) statements.push(sql);
  for (const { kind, choices, name } of drawSteps(kinds, count, seed)) {
    const number = ++state.count;
    let names = 0;
    const nameOf = (prefix: string) => `${prefix}${number}${names++ || ''}${name}`;
    const made = makers[kind]?.(state, draw(choices), nameOf);
    if (made === undefined || !(await takes(client, made.sql))) continue;
    statements.push(made.sql);
    made.after?.(state);
  }
  return { statements, tables: state.tables.filter(({ kind }) => kind !== 'foreign').map(({ sql }) => sql) };
}

/** Runs a statement, which is rolled back if it fails. */
export async function takes(client: pg.Client, sql: string): Promise<boolean> {
  try {
    await client.query(sql);
    return true;
  } catch (error) {
    await client.query('rollback; reset role').catch(() => undefined);
    if ((error as { code?: string }).code === undefined) throw error;
    return false;
  }
}
