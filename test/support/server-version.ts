/** Returns the version that the server reports, `15.20 (Debian 15.20-0+deb12u1)`. Starts the server to read it. */
export async function askVersion(native?: string): Promise<string> {
  // Imported after mocha has loaded the tests, because the module needs mocha's hooks.
  const { startServer } = await import('./server.ts');
  const server = await startServer(native === undefined ? {} : { native });
  await server.stop();
  return server.embedded ? `${server.version} (embedded)` : server.version;
}

/** Runs once per run, whatever the number of processes. https://mochajs.org/features/global-fixtures/ */
export async function mochaGlobalSetup(): Promise<void> {
  process.stdout.write(`server ${await askVersion()}\n`);
}
