import { isIP, SocketAddress } from 'node:net';

/**
 * The one way to write an IP address (RFC 5952), so that one address is one counter identity however it was
 * written. `undefined` = no address, or one that no mail can come from: with a zone, unspecified, IPv4 inside IPv6.
 *
 * Example: `canonicalAddress('2001:DB8:0::1')` → `2001:db8::1`
 */
export function canonicalAddress(text: string): string | undefined {
  const family = isIP(text);
  if (family === 0 || text.includes('%')) return undefined;
  // There is one way to write an IPv4 address: `isIP` takes no leading zeros.
  if (family === 4) return text === '0.0.0.0' ? undefined : text;
  const { address } = new SocketAddress({ address: text, family: 'ipv6' });
  return address === '::' || address.includes('.') ? undefined : address;
}

/** Family of an address that {@link canonicalAddress} made. */
export function addressFamily(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}
