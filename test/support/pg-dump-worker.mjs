// Owns the sockets to servers while the thread that runs pg_dump is blocked. Plain JavaScript, because tsx does not
// apply to threads.
import { connect } from 'node:net';
import { parentPort } from 'node:worker_threads';

parentPort.on('message', open);

/** Serves one dump: `port` receives what pg_dump writes and sends the server's answer, then `flag` is set. */
function open({ port, flag, server }) {
  const socket = connect(server.port, server.host).setNoDelay();

  let sent = Buffer.alloc(0); // what pg_dump has written, until the end of a message
  let received = Buffer.alloc(0); // what the server has answered so far
  let awaited = 'nothing'; // or 'byte', or 'messages'
  let greeted = false; // the start-up packet has been sent: from here on, messages begin with their type
  let ready = false; // the server has sent ReadyForQuery once: from here on, an error is not the end of its answer
  let lost = '';

  port.on('message', (bytes) => {
    sent = Buffer.concat([sent, bytes]);
    const last = lastWholeMessage();
    if (last === undefined || lost) return hand(Buffer.alloc(0), lost);
    socket.write(last === 'startup' ? startupPacket(server) : sent);
    sent = Buffer.alloc(0);
    // Terminate has no answer.
    if (last === 'X') return socket.end(() => hand(Buffer.alloc(0)));
    awaited = last === 'ssl' ? 'byte' : 'messages';
  });

  socket.on('data', (bytes) => {
    received = Buffer.concat([received, bytes]);
    if (awaited === 'byte' || isWholeAnswer()) hand(received);
  });
  socket.on('error', lose);
  port.on('close', () => socket.destroy());
  socket.on('close', () => lose(new Error('The server has closed the connection.')));

  function lose(error) {
    lost ||= error.message;
    if (awaited !== 'nothing') hand(received, lost);
  }

  function hand(bytes, failure) {
    port.postMessage({ bytes: new Uint8Array(bytes), failure });
    received = Buffer.alloc(0);
    awaited = 'nothing';
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
  }

  /** Returns the type of the last message if the bytes end with a complete one. */
  function lastWholeMessage() {
    let at = 0;
    let type;
    while (at < sent.length) {
      const head = greeted ? 1 : 0;
      if (sent.length < at + head + 4) return undefined;
      const length = sent.readInt32BE(at + head);
      if (greeted) type = String.fromCharCode(sent[at]);
      else type = length === 8 ? 'ssl' : 'startup';
      at += head + length;
      if (type === 'startup' && at <= sent.length) greeted = true;
    }
    return at === sent.length ? type : undefined;
  }

  /**
   * An answer ends with ReadyForQuery or CopyInResponse; during start-up also with an error or a request (not `R` 0).
   */
  function isWholeAnswer() {
    let at = 0;
    let end = false;
    while (at + 5 <= received.length) {
      const type = String.fromCharCode(received[at]);
      const asks =
        type === 'R' && received.length >= at + 9 && ![0, 12].includes(received.readInt32BE(at + 5));
      end = 'ZG'.includes(type) || (!ready && (type === 'E' || asks));
      if (type === 'Z') ready = true;
      at += 1 + received.readInt32BE(at + 1);
    }
    return end && at === received.length;
  }
}

/** pg_dump always sends `postgres`, and reads a database name with `=` in it as a connection string. */
function startupPacket(server) {
  const pairs = ['user', server.user, 'database', server.database, 'application_name', 'pg_dump'];
  const body = Buffer.from(`${pairs.join('\0')}\0\0`);
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + body.length, 0);
  head.writeInt32BE(3 << 16, 4);
  return Buffer.concat([head, body]);
}
