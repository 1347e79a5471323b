import type { EmbeddedServer } from './embedded.ts';
import type { Settings } from './settings.ts';

// On its own, so that the types of the package do not need those of `pg`.

/** The one database that a process works on. */
export interface Target {
  settings: Settings;
  /** Where it is the embedded server: to dump it, and to stop it. */
  embedded: EmbeddedServer | undefined;
}
