import type { Reply } from '../spool/mod.ts';

/** One host that may take mail for a domain. Lower-case, no trailing dot. */
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
  readonly domain: string;
  /**
   * Name of the site: one MX set with one TLS policy. Equal sets have equal names, different sets different ones.
   * Lanes, sessions and connection reuse are keyed by it. Readable: a single host is its own name.
   */
  readonly site: string;
  /** Sorted by preference, then name; never empty. Shuffling inside a preference is done per attempt. */
  readonly hosts: readonly MxHost[];
  /** `mx` from DNS, `implicit` RFC 5321 §5.1 without MX, `static` from `routes`, `literal` an address literal. */
  readonly origin: 'mx' | 'implicit' | 'static' | 'literal';
}

/** There is no route: null MX 556 5.1.10, NXDOMAIN 550 5.1.2 (permanent); SERVFAIL or time-out 451 4.4.3 (transient). */
export interface NoRoute {
  readonly kind: 'permanent' | 'transient';
  readonly domain: string;
  readonly reply: Reply;
}

export interface HostAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** One place to connect to. */
export interface Target {
  readonly host: MxHost;
  readonly address: HostAddress;
}

export interface Router {
  /** The cached answer if it is still fresh, at no cost; `undefined` = call `resolve`. */
  peek(domain: string): Route | NoRoute | undefined;
  /** Looks up and caches; concurrent calls for one domain share one query. Never rejects. */
  resolve(domain: string): Promise<Route | NoRoute>;
  /**
   * Targets of one attempt in the order to try them: by preference, shuffled inside a preference, addresses of the wanted
   * family only; loopback, private and otherwise forbidden addresses are left out unless configured. Looks up addresses
   * host by host as the caller gets there (async iteration), so a good first host costs one look-up.
   * When nothing is left the last item is a {@link NoRoute} that says why.
   */
  targets(route: Route, family: 4 | 6): AsyncIterable<Target | NoRoute>;
}
