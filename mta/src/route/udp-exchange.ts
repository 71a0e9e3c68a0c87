import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { CLOSED, type DnsExchange, LATE, unreachable } from './dns-exchange.ts';

/**
 * One question in one datagram. Each has a socket, and so a random port, of its own; the socket is connected, so that the
 * kernel drops what comes from any other address or port (RFC 5452 §4).
 */
export const exchangeOverUdp: DnsExchange = (server, query, read, timeoutMs, closed) =>
  new Promise((resolve) => {
    if (closed.aborted) return resolve(CLOSED);
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
    const end = (result: Awaited<ReturnType<DnsExchange>>) => {
      clearTimeout(timer);
      closed.removeEventListener('abort', onClosed);
      socket.removeAllListeners();
      // A late error of a closed socket must not end the process.
      socket.on('error', () => {});
      socket.close();
      resolve(result);
    };
    const timer = setTimeout(() => end(LATE), timeoutMs);
    const onClosed = () => end(CLOSED);
    closed.addEventListener('abort', onClosed);
    const fail = (error: Error) => end(unreachable(error));
    socket.on('error', fail);
    socket.on('message', (message) => {
      const reply = read(message);
      if (reply !== undefined) end(reply);
    });
    socket.on('connect', () => {
      socket.send(query, (error) => {
        if (error !== null) fail(error);
      });
    });
    // Without a call-back, so that a failure is an 'error' event.
    socket.connect(server.port, server.host);
  });
