import type { LaterObject } from '../later-objects.ts';

const identifier = String.raw`("(?:[^"]|"")+"|[^\s."(]+)`;
// Of pg_dump and of the server's functions that pg_dump uses, such as pg_get_indexdef.
const beginnings: readonly [string, RegExp][] = [
  ['index', begins(`CREATE (?:UNIQUE )?INDEX ${identifier} ON `)],
  [
    'constraint',
    begins(`ALTER TABLE (?:ONLY )?${identifier}\\.${identifier}\\s+ADD CONSTRAINT ${identifier} `),
  ],
  ['trigger', begins(`CREATE (?:CONSTRAINT )?TRIGGER ${identifier} `)],
  ['rule', begins(`CREATE RULE ${identifier} AS`)],
  ['policy', begins(`CREATE POLICY ${identifier} ON `)],
  ['row security', begins(`ALTER TABLE (?:ONLY )?${identifier}\\.${identifier} ENABLE ROW LEVEL SECURITY`)],
  ['statistics', begins(`CREATE STATISTICS ${identifier}\\.${identifier} `)],
  ['event trigger', begins(`CREATE EVENT TRIGGER ${identifier} `)],
  ['publication', begins(`CREATE PUBLICATION ${identifier}`)],
  ['sequence state', begins(`SELECT pg_catalog\\.setval()\\(`)],
];
// Longer than the beginning of such a statement with names of the maximum length.
const headLength = 1000;

/** Parses the beginning of a statement of a dump. Returns undefined if it does not create such an object. */
export function readObjectStatement(statement: Buffer): LaterObject | undefined {
  const text = statement.toString('utf8', 0, headLength);
  if (!/^(?:CREATE|ALTER|SELECT) /.test(text)) return undefined;
  for (const [kind, beginning] of beginnings) {
    const name = beginning.exec(text)?.at(-1);
    if (name !== undefined) return { kind, name: unquoted(name) };
  }
  return undefined;
}

/** Returns a string that is unique for the kind and the name. */
export function objectKey({ kind, name }: LaterObject): string {
  return JSON.stringify([kind, name]);
}

/** Removes the double quotes of an identifier. */
export function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}

function begins(pattern: string): RegExp {
  return new RegExp(`^${pattern}`);
}
