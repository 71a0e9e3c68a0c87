import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { DnsExchange } from './dns-exchange.ts';

/**
 * One question in one datagram. Each has a socket, and so a random port, of its own; the socket is connected, so that the
 * kernel drops what comes from any other address or port (RFC 5452 §4).
 */
export const exchangeOverUdp: DnsExchange = (server, query, read, timeoutMs) =>
  new Promise((resolve) => {
    const socket = createSocket(isIPv6(server.host) ? 'udp6' : 'udp4');
    const timer = setTimeout(() => end({ kind: 'silence', reason: 'no answer in time' }), timeoutMs);
    const end = (result: Awaited<ReturnType<DnsExchange>>) => {
      clearTimeout(timer);
      socket.removeAllListeners();
      // A late error of a closed socket must not end the process.
      socket.on('error', () => {});
      socket.close();
      resolve(result);
    };
    const fail = (error: Error) => end({ kind: 'silence', reason: error.message });
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
