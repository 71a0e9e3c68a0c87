import ipaddr from 'ipaddr.js';

/** A set of networks that addresses are looked up in. */
export interface NetworkList {
  has(address: string): boolean;
}

/**
 * Parses CIDR networks; a single address is a network of one. An IPv4-mapped IPv6 address counts as its IPv4 address.
 * Throws a RangeError that names the entry that is none: the settings file is checked before.
 *
 * Example: `networkList(['10.0.0.0/8']).has('::ffff:10.1.2.3')` → true
 */
export function networkList(networks: readonly string[]): NetworkList {
  const ranges = networks.map(parseNetwork);
  return {
    has(address) {
      if (ranges.length === 0 || !ipaddr.isValid(address)) return false;
      const parsed = ipaddr.process(address);
      return ranges.some(
        ([network, bits]) => parsed.kind() === network.kind() && parsed.match(network, bits),
      );
    },
  };
}

function parseNetwork(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  try {
    if (text.includes('/')) return ipaddr.parseCIDR(text);
    const address = ipaddr.process(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  } catch (cause) {
    throw new RangeError(`Not a network in CIDR notation: ${text}`, { cause });
  }
}
