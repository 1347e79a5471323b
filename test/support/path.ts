import { dirname } from 'node:path';
import { systemPgDump } from './pg-dump.ts';

// On Debian, pg_dump, pg_restore and psql in PATH are a Perl script that looks for the real ones, which takes longer than
// most of what tests ask of them. The tests of the package go through it.
const native = await systemPgDump();
if (native !== undefined && process.env.PG_DUMP === undefined)
  process.env.PATH = `${dirname(native.path)}:${process.env.PATH}`;
