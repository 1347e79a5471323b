// Runs embedded-worker.ts in a thread, since tsx does not register itself in threads. Not used by the compiled build,
// nor by a Node.js that strips types.
import { register } from 'tsx/esm/api';

register();
await import('./embedded-worker.ts');
