import { connect } from 'node:net';
import { CLOSED, type DnsExchange, LATE, unreachable } from './dns-exchange.ts';

const LENGTH_BYTES = 2;

/** One question over a TCP connection of its own, each message after its length in two octets (RFC 1035 §4.2.2). */
export const exchangeOverTcp: DnsExchange = (server, query, read, timeoutMs, closed) =>
  new Promise((resolve) => {
    if (closed.aborted) return resolve(CLOSED);
    const socket = connect({ host: server.host, port: server.port, noDelay: true });
    const end = (result: Awaited<ReturnType<DnsExchange>>) => {
      clearTimeout(timer);
      closed.removeEventListener('abort', onClosed);
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => end(LATE), timeoutMs);
    const onClosed = () => end(CLOSED);
    closed.addEventListener('abort', onClosed);
    socket.on('error', (error) => end(unreachable(error)));
    socket.on('close', () => end({ kind: 'unreachable', reason: 'closed without an answer' }));
    socket.on('connect', () => {
      const length = Buffer.alloc(LENGTH_BYTES);
      length.writeUInt16BE(query.length);
      socket.write(Buffer.concat([length, query]));
    });
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= LENGTH_BYTES) {
        const messageEnd = LENGTH_BYTES + received.readUInt16BE(0);
        if (received.length < messageEnd) return;
        const reply = read(received.subarray(LENGTH_BYTES, messageEnd));
        if (reply !== undefined) return end(reply);
        received = received.subarray(messageEnd);
      }
    });
  });
