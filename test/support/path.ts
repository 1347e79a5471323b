import { dirname } from 'node:path';
import { systemPgDump } from './pg-dump.ts';

// On Debian, pg_dump, pg_restore and psql in PATH are a Perl script that searches for the binaries, which takes longer
// than most of the dumps in tests. The package tests use that script.
const native = await systemPgDump();
if (native !== undefined && process.env.PG_DUMP === undefined)
  process.env.PATH = `${dirname(native.path)}:${process.env.PATH}`;
