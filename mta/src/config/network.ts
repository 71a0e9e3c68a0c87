import ipaddr from 'ipaddr.js';

/** A range of addresses in CIDR form. */
export interface Network {
  /** As the user wrote it. */
  readonly text: string;
  readonly family: 4 | 6;
  contains(address: string): boolean;
}

/** Wider than this, a list of clients that may relay is an open relay, or nearly so. */
const WIDEST_RELAY_PREFIX_IPV4 = 8;
const WIDEST_RELAY_PREFIX_IPV6 = 16;
/** RFC 4193: unique local addresses are one /7. */
const UNIQUE_LOCAL_PREFIX = 7;

/**
 * Reads `192.0.2.0/24`, `2001:db8::/32`, or one address (= its own /32 or /128). IPv4-mapped IPv6 addresses of clients
 * match IPv4 networks. `undefined` = it is none.
 *
 * Example: `parseNetwork('10.0.0.0/8')?.contains('10.1.2.3')` → `true`
 */
export function parseNetwork(text: string): Network | undefined {
  const range = parseRange(text);
  if (range === undefined) return undefined;
  const family = range[0].kind() === 'ipv4' ? 4 : 6;
  return {
    text,
    family,
    contains(address) {
      if (!ipaddr.isValid(address)) return false;
      const client = ipaddr.process(address);
      return client.kind() === range[0].kind() && client.match(range);
    },
  };
}

/** True for a network so wide that letting all of it relay would make an open relay. */
export function isOpenRelay(network: Network): boolean {
  const range = parseRange(network.text);
  if (range === undefined) return true;
  const [base, prefix] = range;
  if (base.kind() === 'ipv4') return prefix < WIDEST_RELAY_PREFIX_IPV4;
  return prefix < (base.range() === 'uniqueLocal' ? UNIQUE_LOCAL_PREFIX : WIDEST_RELAY_PREFIX_IPV6);
}

function parseRange(text: string): [ipaddr.IPv4 | ipaddr.IPv6, number] | undefined {
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text);
  // `10.1` is a legal spelling of 10.0.0.1 for ipaddr.js; a person who writes it means something else.
  if (!ipaddr.IPv4.isValidFourPartDecimal(text) && !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.parse(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}
