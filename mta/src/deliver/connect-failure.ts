import { SluiceError } from '@sluice/crds';
import { TargetFailure } from '../egress/mod.ts';
import type { SessionOptions } from './session.ts';
import type { SessionFailure } from './session-failure.ts';

const REFUSED = new Set(['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED']);
const UNREACHABLE = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EPROTO', 'ENONET']);

/**
 * What a failed dial means. Everything that is not known to come from the network is our own trouble (an address that is not on this machine, no
 * more file descriptors): another host of the site would meet the same.
 */
export function connectFailure(
  error: unknown,
  timedOut: boolean,
  options: Pick<SessionOptions, 'hostName' | 'address' | 'port' | 'signal'>,
): SessionFailure {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const proxy = error instanceof TargetFailure ? ` through proxy ${error.proxy}` : '';
  const to = `connect to ${options.hostName}[${options.address}]:${options.port}${proxy}`;
  if (options.signal?.aborted === true) return failure('local', 421, '4.3.2', `${to}: given up`);
  const ownFault = error instanceof SluiceError;
  if ((timedOut && !ownFault) || code === 'ETIMEDOUT')
    return failure('timeout', 421, '4.4.1', `${to}: no answer in time`);
  if (REFUSED.has(code)) return failure('refused', 421, '4.4.1', `${to}: connection refused`);
  if (UNREACHABLE.has(code)) return failure('unreachable', 421, '4.4.1', `${to}: no route (${code})`);
  const message = error instanceof Error ? error.message : String(error);
  // RFC 3463 §3.4: X.3.5 system incorrectly configured, X.3.0 other.
  return failure('local', 451, ownFault ? '4.3.5' : '4.3.0', `${to}: ${message}`);
}

function failure(
  cause: SessionFailure['cause'],
  code: number,
  enhanced: string,
  text: string,
): SessionFailure {
  return {
    ok: false,
    phase: 'Connect',
    cause,
    reply: { code, enhanced, text, host: '' },
    tryNextHost: cause !== 'local',
    permanent: false,
  };
}
