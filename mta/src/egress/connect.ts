import { connect, isIPv6, type Socket } from 'node:net';

/** Where to connect to; an IP address, never a name. */
export interface DialTarget {
  readonly address: string;
  readonly port: number;
}

/**
 * Connects, from `localAddress` or from whatever address the kernel chooses.
 *
 * Rejects with the system's error (`code` ECONNREFUSED, EHOSTUNREACH, …; ETIMEDOUT also for `timeoutMs`) or the signal's reason; no socket is left
 * behind then.
 *
 * Example: `const socket = await connectTo({ address: '192.0.2.25', port: 25 }, undefined, 60_000, signal)`
 */
export function connectTo(
  target: DialTarget,
  localAddress: string | undefined,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Socket> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const socket = connect({
      host: target.address,
      port: target.port,
      family: isIPv6(target.address) ? 6 : 4,
      noDelay: true,
      ...(localAddress === undefined ? {} : { localAddress }),
    });
    const fail = (error: unknown): void => {
      done();
      // A later error of the abandoned socket says nothing new.
      socket.on('error', () => {});
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(signal.reason);
    const limit = setTimeout(() => fail(timedOut(target, timeoutMs)), timeoutMs);
    const done = (): void => {
      clearTimeout(limit);
      signal.removeEventListener('abort', onAbort);
      socket.off('error', fail);
    };
    signal.addEventListener('abort', onAbort);
    socket.on('error', fail);
    socket.once('connect', () => {
      done();
      resolve(socket);
    });
  });
}

function timedOut(target: DialTarget, timeoutMs: number): NodeJS.ErrnoException {
  const message = `connect to ${target.address}:${target.port} timed out after ${timeoutMs} ms`;
  return Object.assign(new Error(message), { code: 'ETIMEDOUT' });
}
