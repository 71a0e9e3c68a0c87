import { connect, isIPv6, type Socket } from 'node:net';
import { SluiceError, type SourceConfig } from '@sluice/crds';
import { localAddressOf } from './source-family.ts';

/** Where to connect to; an IP address, never a name. */
export interface DialTarget {
  readonly address: string;
  readonly port: number;
}

/**
 * Connects from a source.
 *
 * `Direct`: the kernel chooses the local address by its routes; the source's `address` is then only the identity under which limits
 * count and is not looked at here. `Bind`: the connection comes from `bind.address`, which must be on this machine.
 *
 * Rejects with {@link SluiceError} when the local address is not on this machine or has no free port, with the system's error (`code`
 * ECONNREFUSED, EHOSTUNREACH, …; ETIMEDOUT also for `timeoutMs`) or the signal's reason.
 *
 * Example: `const socket = await dial(source, { address: '192.0.2.25', port: 25 }, 60_000, signal)`
 */
export function dial(
  source: SourceConfig,
  target: DialTarget,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Socket> {
  if (signal.aborted) return Promise.reject(signal.reason);
  const localAddress = localAddressOf(source);
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
    const onError = (error: NodeJS.ErrnoException): void => fail(named(error, source, localAddress));
    const onAbort = (): void => fail(signal.reason);
    const limit = setTimeout(() => fail(timedOut(target, timeoutMs)), timeoutMs);
    const done = (): void => {
      clearTimeout(limit);
      signal.removeEventListener('abort', onAbort);
      socket.off('error', onError);
    };
    signal.addEventListener('abort', onAbort);
    socket.on('error', onError);
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

/** Gives names to what is our own configuration's fault. */
function named(error: NodeJS.ErrnoException, source: SourceConfig, localAddress: string | undefined): Error {
  if (localAddress === undefined) return error;
  const parameters = { address: localAddress, source: source.name };
  if (error.code === 'EADDRINUSE' || (error.code === 'EADDRNOTAVAIL' && error.syscall === 'connect')) {
    return new SluiceError('SLUICE_EGRESS_PORTS_EXHAUSTED', parameters, {}, error);
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'EINVAL') {
    return new SluiceError('SLUICE_EGRESS_ADDRESS_MISSING', parameters, {}, error);
  }
  return error;
}
