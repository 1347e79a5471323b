import type { EmbeddedServer } from './embedded.ts';
import type { Settings } from './settings.ts';

// A separate file, so that the types of the package do not depend on those of `pg`.

/** The database that a process works on. */
export interface Target {
  settings: Settings;
  /** The embedded server; undefined where another server is used. */
  embedded: EmbeddedServer | undefined;
}
