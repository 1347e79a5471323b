/** What the tests run on, or such binaries, as it says itself: `15.20 (Debian 15.20-0+deb12u1)`. It is started for that. */
export async function askVersion(native?: string): Promise<string> {
  // Not before mocha has loaded the tests: its hooks for them would be missing.
  const { startServer } = await import('./server.ts');
  const server = await startServer(native === undefined ? {} : { native });
  await server.stop();
  return server.embedded ? `${server.version} (embedded)` : server.version;
}

/** Once a run, in however many processes that is. https://mochajs.org/features/global-fixtures/ */
export async function mochaGlobalSetup(): Promise<void> {
  process.stdout.write(`server ${await askVersion()}\n`);
}
