import ipaddr from 'ipaddr.js';

/**
 * The octets of an IP address: 4 or 16, as proxies are told them.
 *
 * Example: `addressOctets('192.0.2.1')` → `[192, 0, 2, 1]`
 */
export function addressOctets(address: string): Uint8Array {
  return Uint8Array.from(ipaddr.parse(address).toByteArray());
}

/** The address that 4 or 16 octets are; an IPv4-mapped one is given as IPv4. */
export function addressOfOctets(octets: Uint8Array): string {
  const address = ipaddr.fromByteArray([...octets]);
  if (address.kind() === 'ipv4') return address.toString();
  return ipaddr.process(address.toString()).toString();
}
