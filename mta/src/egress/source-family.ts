import { isIPv6 } from 'node:net';
import type { SourceConfig } from '@sluice/crds';

/**
 * Address family that a source speaks, so that only such hosts are tried: of the address that connections are made from where its way out
 * names one (bound here, or told to a proxy), of its public address otherwise.
 *
 * Example: `192.0.2.10` → 4; `2001:db8::10` → 6
 */
export function sourceFamily(source: SourceConfig): 4 | 6 {
  return isIPv6(outgoingAddress(source)) ? 6 : 4;
}

/** The address that connections of a source are made from, as far as its way out says so; its public one otherwise. */
export function outgoingAddress({ address, egress }: SourceConfig): string {
  switch (egress.type) {
    case 'Direct':
      return address;
    case 'Bind':
      return egress.bind.address;
    case 'HAProxy':
      return egress.haproxy.sourceAddress;
    case 'SOCKS5':
      return egress.socks5.sourceAddress ?? address;
  }
}
