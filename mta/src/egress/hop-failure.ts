import { SluiceError } from '@sluice/crds';
import type { DialTarget } from './connect.ts';

/** A proxy did not do its part; another one of the same name may. Inside this room only. */
export class HopFailure extends Error {
  /** `unreachable`: no proxy answers there as one. `refused`: it answers and does not want. */
  readonly kind: 'unreachable' | 'refused';

  constructor(kind: HopFailure['kind'], reason: string, cause?: unknown) {
    super(reason, { cause });
    this.name = 'HopFailure';
    this.kind = kind;
  }

  /** As the user reads it. `proxy`: `egress-a.mail.svc:1080 (10.0.0.7)`. */
  named(source: string, proxy: string): SluiceError {
    const code = this.kind === 'refused' ? 'SLUICE_EGRESS_PROXY_REFUSED' : 'SLUICE_EGRESS_PROXY_UNREACHABLE';
    return new SluiceError(code, { source, proxy, reason: this.message }, {}, this.cause ?? this);
  }
}

/** The proxy did its part and the target did not: as a system error of a direct connection, with the way in its text. */
export class TargetFailure extends Error {
  /** ECONNREFUSED, EHOSTUNREACH, ENETUNREACH or ETIMEDOUT. */
  readonly code: string;
  /** `egress-a.mail.svc:1080 (10.0.0.7)` */
  readonly proxy: string;

  constructor(code: string, target: DialTarget, proxy: string) {
    super(`connect to ${target.address}:${target.port} through proxy ${proxy}: ${code}`);
    this.name = 'TargetFailure';
    this.code = code;
    this.proxy = proxy;
  }
}

/** `egress-a.mail.svc:1080 (10.0.0.7)`; an address needs no second one. */
export function proxyName(host: string, port: number, address?: string): string {
  const name = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return address === undefined || address === host ? name : `${name} (${address})`;
}
