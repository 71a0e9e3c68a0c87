import type { Socket } from 'node:net';
import { SluiceError, type SourceConfig } from '@sluice/crds';
import { connectTo, type DialTarget } from './connect.ts';
import { ProxyDial, type ProxyDialOptions } from './proxy-dial.ts';

/**
 * Connects from a source, by its way out.
 *
 * `Direct`: the kernel chooses the local address by its routes; the source's `address` is then only the identity under which limits
 * count and is not looked at here. `Bind`: the connection comes from `bind.address`, which must be on this machine. `HAProxy` and `SOCKS5`:
 * through the proxy, which is told the address to connect from.
 *
 * Rejects with {@link SluiceError} when the way out itself is broken (no such local address, no free port, a proxy that cannot be reached or
 * that refuses), with the system's error (`code` ECONNREFUSED, EHOSTUNREACH, …; ETIMEDOUT also for `timeoutMs`) when the target is, or with the
 * signal's reason.
 *
 * Example: `const socket = await dial(source, { address: '192.0.2.25', port: 25 }, 60_000, signal)`
 */
export type Dial = (
  source: SourceConfig,
  target: DialTarget,
  timeoutMs: number,
  signal: AbortSignal,
) => Promise<Socket>;

/** Makes the dialler of one pod. */
export function createDial(options: ProxyDialOptions): Dial {
  const proxies = new ProxyDial(options);
  return (source, target, timeoutMs, signal) => {
    const { egress } = source;
    switch (egress.type) {
      case 'Direct':
        return connectTo(target, undefined, timeoutMs, signal);
      case 'Bind':
        return connectFrom(egress.bind.address, source, target, timeoutMs, signal);
      case 'HAProxy':
      case 'SOCKS5':
        return proxies.dial({ source, way: egress, target, timeoutMs, signal });
    }
  };
}

async function connectFrom(
  address: string,
  source: SourceConfig,
  target: DialTarget,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Socket> {
  try {
    return await connectTo(target, address, timeoutMs, signal);
  } catch (error) {
    throw named(error, source, address);
  }
}

/** Gives names to what is our own configuration's fault. */
function named(error: unknown, source: SourceConfig, address: string): unknown {
  if (!isSystemError(error)) return error;
  const parameters = { address, source: source.name };
  if (error.code === 'EADDRINUSE' || (error.code === 'EADDRNOTAVAIL' && error.syscall === 'connect')) {
    return new SluiceError('SLUICE_EGRESS_PORTS_EXHAUSTED', parameters, {}, error);
  }
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'EINVAL') {
    return new SluiceError('SLUICE_EGRESS_ADDRESS_MISSING', parameters, {}, error);
  }
  return error;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error;
}
