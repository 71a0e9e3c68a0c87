import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Network } from '../config/mod.ts';

/** RFC 4291 §2.4: all global unicast addresses that are given out. */
const GLOBAL_UNICAST = ipaddr.parseCIDR('2000::/3');
/** RFC 6052 §2.1: an IPv4 address behind NAT64, in the last 32 bits. */
const NAT64 = ipaddr.parseCIDR('64:ff9b::/96');
const NAT64_PREFIX_BYTES = 12;

/**
 * Why no mail is sent to an address: what a stranger writes into DNS must not let us connect to ourselves or to our own
 * network. `undefined` = an address of the public internet.
 *
 * Example: `forbiddenRange('127.0.0.1')` → `'loopback'`; `forbiddenRange('10.0.0.1')` → `'private'`
 */
export function forbiddenRange(address: string): string | undefined {
  // Not ipaddr.js's own check: it takes `1.2.3` for an address.
  if (isIP(address) === 0) return 'invalid';
  const parsed = ipaddr.parse(address);
  const range = parsed.range();
  if (parsed.kind() === 'ipv4') return range === 'unicast' ? undefined : rangeName(range);
  if (parsed.match(NAT64)) {
    return forbiddenRange(ipaddr.fromByteArray(parsed.toByteArray().slice(NAT64_PREFIX_BYTES)).toString());
  }
  if (range !== 'unicast') return rangeName(range);
  return parsed.match(GLOBAL_UNICAST) ? undefined : 'unassigned';
}

/** Words for the ranges that people know; the rest is reserved for one purpose or another. */
function rangeName(range: string): string {
  switch (range) {
    case 'loopback':
    case 'private':
    case 'multicast':
    case 'unspecified':
    case 'broadcast':
      return range;
    case 'linkLocal':
      return 'link-local';
    case 'carrierGradeNat':
      return 'shared (carrier-grade NAT)';
    case 'uniqueLocal':
      return 'private';
    default:
      return 'reserved';
  }
}

/** {@link forbiddenRange}, except for the networks of `targets.allow` in sluice.yaml. */
export function refusalOf(
  address: string,
  allowed: readonly Pick<Network, 'contains'>[],
): string | undefined {
  if (allowed.some((network) => network.contains(address))) return undefined;
  return forbiddenRange(address);
}
