// Without a listener, a worker of `mocha --parallel` ignores rejections that nothing handles. In a command they end the
// process. https://nodejs.org/api/process.html#event-unhandledrejection
process.on('unhandledRejection', (reason) => {
  throw reason;
});
