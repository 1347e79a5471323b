/** The tests that PGlite cannot run, by the end of their full titles, and the reasons. */
const limits: Readonly<Record<string, readonly string[]>> = {
  'PGlite accepts one client at a time': [
    'locks that cannot be acquired lead to lock-timeout, which names the sessions that hold them',
    'locks are held from the check to the drop, even if the owner has revoked its own privileges',
    'locks of the restore lead to lock-timeout likewise, and can be acquired later',
    'locks are waited for',
    'inserted by other sessions while the lock is waited for are copied',
    'inserted by other sessions into a table whose owner may not lock it: refuse',
    'inserted by other sessions into a table whose owner may not lock it: copy',
    'waits for locks like the drop, and releases them after a timeout',
    'restores one table of 044 alone, and the rollback restores the others',
  ],
  'PGlite has only the role postgres': [
    'the drop is refused to a role that does not own the tables',
    'the comment on the schema is refused to a role that may not set it, unless it is turned off',
    'made by another role leave the role of the session unchanged',
    'made by another role leave a session without SET ROLE unchanged',
    'made by another role are refused if the role may not act as the grantor',
    'made by another role are refused like objects of an owner that it may not act as',
    'with which the server skips checks are refused if the role may not set them, unless it only reads',
    'as their owner whose functions gain no privileges',
    'who sees only the rows that policies allow',
    'and refused if the owner may no longer read their tables',
    'which are refused with the message of the server',
    'under row-level security that is forced on the owner are all restored',
    'under row-level security or without SELECT are refused',
    'is an LSN only where it may not',
    'cannot be counted without SELECT, unless the file is empty',
    'with rows require the privilege to create a schema',
  ],
  'sessions of PGlite do not start with the settings of a role or database': [
    'of its own runs at READ COMMITTED, whatever the default of the database',
    ...[
      'a session of their owner of the database',
      'of the role in the database, before those of the role, before those of the database',
    ],
    'as they are at the time of the restore',
    'refused if those of the session user hide those of the server',
    'and by restore --from-ddl, with rows',
    'constraints--of-a-time-zone',
    'constraints--of-a-time-zone: is restored',
  ],
  'every database of PGlite is named postgres': [
    'the archive records the role, the tables, the reason, the client and the usage statistics',
    'opens a database whose name is a connection string',
    'fails with the message of pg_dump',
  ],
  'PGlite lacks a feature or an extension': [
    'names of tables of an extension are refused',
    'settings of the encoding do not affect text that is not ASCII',
    'settings that change how literals are read do not affect a file that psql replays',
    'is null where the server does not return it, and the drop continues',
    ...['indexes-and-triggers', 'materialized-views', 'routines'].flatMap((what) => [
      `extension-links--of-${what}`,
      `extension-links--of-${what}: is restored`,
    ]),
  ],
};

/** Returns the reason why PGlite cannot run the test; undefined if it can. */
export function embeddedLimit(title: string): string | undefined {
  return Object.keys(limits).find((reason) => limits[reason]?.some((end) => title.endsWith(end)));
}
