// Runs embedded-worker.ts in a thread: tsx does not reach into threads by itself. The compiled build, and a Node
// that strips types, do without this file.
import { register } from 'tsx/esm/api';

register();
await import('./embedded-worker.ts');
