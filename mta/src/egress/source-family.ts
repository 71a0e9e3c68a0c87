import { isIPv6 } from 'node:net';
import type { SourceConfig } from '@sluice/crds';

/**
 * Address family that a source speaks, so that only such hosts are tried: of its local address where it is bound to one, of its
 * public address otherwise.
 *
 * Example: `192.0.2.10` → 4; `2001:db8::10` → 6
 */
export function sourceFamily(source: SourceConfig): 4 | 6 {
  return isIPv6(localAddressOf(source) ?? source.address) ? 6 : 4;
}

/** The address that connections are bound to; `undefined` = the kernel chooses. */
export function localAddressOf(source: SourceConfig): string | undefined {
  return source.egress.type === 'Bind' ? source.egress.bind.address : undefined;
}
