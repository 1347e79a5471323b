/** Tests that PGlite cannot run, by the end of their full title, and why. */
const limits: Readonly<Record<string, readonly string[]>> = {
  'PGlite takes one client at a time': [
    'locks that are not to be had are given up, and who holds them is named',
    'locks are held from the check to the drop, also where the owner has given up its rights',
    'locks that the restore needs are given up likewise, and asked for again',
    'locks are waited for',
    'of other sessions that come while the lock is waited for are kept',
    'of other sessions that come so into a table whose owner has no right to lock it: refuse',
    'of other sessions that come so into a table whose owner has no right to lock it: archive',
    'waits for locks as the drop does, and gives them up',
    'brings one table of 044 back alone, and the rollback the rest',
  ],
  'everybody is postgres in PGlite': [
    'the drop is refused to a role that does not own the tables',
    'the comment on the schema is a refusal to who may not set it, and can be left alone',
    'under row-level security that is forced on the owner come back all',
    'under row-level security or without the right to read are refused',
    'given by another role leave the session the role that it had',
    'given by another role leave a session without SET ROLE without it',
    'given by another role are refused where the role may not act as that one',
    'given by another role as are objects of an owner that it may not act as',
    'is a number only where it may not',
    'are looked for in vain without the right to read, unless the file tells that there are none',
    'under which the server leaves out checks are refused where the role may not set them, unless it only reads',
    'as their owner whose functions gain no right',
    'who sees the rows only that policies show him',
    'and refused where he may not read any more what they read',
    'which are refused with the server’s words',
  ],
  'in PGlite no session begins with the settings of a role or database': [
    ...[
      'a session of their owner of the database',
      'of the role in the database, before those of the role, before those of the database',
    ],
    'as they are on the day of the restore',
    'refused where those of the session that migrates hide those of the server',
    'and by restore --from-ddl, with rows',
  ],
  'every database of PGlite is named postgres': [
    'what is kept is who dropped what, why, from where, and how it was used',
    'opens a database whose name is a connection string',
    'fails in pg_dump’s own words',
  ],
  'PGlite lacks what it needs': [
    'names of an extension are refused',
    'settings of the encoding change no text that is not ASCII',
    'settings that change how literals are read change nothing in a file that psql replays',
    'is left out where the server does not tell, and the drop goes on',
    ...['indexes-and-triggers', 'materialized-views', 'routines'].flatMap((what) => [
      `extension-links--of-${what}`,
      `extension-links--of-${what}: comes back`,
    ]),
  ],
};

/** Why PGlite cannot run the test; undefined where it can. */
export function embeddedLimit(title: string): string | undefined {
  return Object.keys(limits).find((reason) => limits[reason]?.some((end) => title.endsWith(end)));
}
