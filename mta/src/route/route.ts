import type { TlsLevel } from '@sluice/crds';
import type { Reply } from '../spool/mod.ts';

/** One host that may take mail for a domain. Lower case, no final dot; an IP address for literals and such hosts of `routes`. */
export interface MxHost {
  readonly name: string;
  readonly preference: number;
  readonly port: number;
  /** Set for hosts of a `routes` entry in sluice.yaml that ask for AUTH. */
  readonly auth?: { readonly username: string; readonly password: string };
}

/** Where a domain's mail goes. */
export interface Route {
  readonly kind: 'route';
  /** In A-labels, lower case. */
  readonly domain: string;
  /**
   * Name of the site: one MX set. Equal sets have equal names, different sets different ones.
   * Lanes, sessions and connection reuse are keyed by it. Readable: a single host is its own name. See {@link siteName}.
   */
  readonly site: string;
  /** Sorted by preference, then name; never empty. Shuffling inside a preference is done per attempt. */
  readonly hosts: readonly MxHost[];
  /** `mx` from DNS, `implicit` RFC 5321 §5.1 without MX, `static` from `routes`, `literal` an address literal. */
  readonly origin: 'mx' | 'implicit' | 'static' | 'literal';
  /** Level that a `routes` entry asks for in place of the policy's. */
  readonly tlsLevel?: TlsLevel;
}

/** Why mail for a domain goes nowhere. docs/reference/routing.md lists them for users. */
export type NoRouteCause =
  /** No server gave an answer. */
  | 'DnsFailure'
  /** NXDOMAIN, or what stands behind the @ can be no domain. */
  | 'NoDomain'
  | 'NullMx'
  /** Neither MX nor address, or MX records that lead to none. */
  | 'NoAddress'
  /** The hosts have addresses, none of the family that the source speaks. */
  | 'OtherFamily'
  /** All addresses are loopback, private or otherwise reserved. */
  | 'Forbidden';

/** There is no route, or no host of a route can be connected to. The replies are listed in docs/reference/routing.md. */
export interface NoRoute {
  readonly kind: 'permanent' | 'transient';
  readonly cause: NoRouteCause;
  readonly domain: string;
  readonly reply: Reply;
}

/** Names of the hosts that are tried first: by them a domain is classified into a Group. */
export function bestPreferenceHosts(route: Route): readonly string[] {
  const best = route.hosts[0]?.preference;
  return route.hosts.filter(({ preference }) => preference === best).map(({ name }) => name);
}

/** Whether two look-ups said the same, so that the older object may stay in use. */
export function sameAnswer(one: Route | NoRoute, other: Route | NoRoute): boolean {
  if (one.kind === 'route' && other.kind === 'route')
    return one.origin === other.origin && sameHosts(one.hosts, other.hosts);
  if (one.kind === 'route' || other.kind === 'route') return false;
  return one.kind === other.kind && one.cause === other.cause && one.reply.text === other.reply.text;
}

function sameHosts(some: readonly MxHost[], others: readonly MxHost[]): boolean {
  if (some.length !== others.length) return false;
  return some.every((host, index) => {
    const other = others[index];
    return host.name === other?.name && host.preference === other.preference && host.port === other.port;
  });
}
