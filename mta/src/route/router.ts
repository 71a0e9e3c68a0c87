import type { Network } from '../config/mod.ts';
import { BoundedCache } from './bounded-cache.ts';
import { DnsClient } from './dns-client.ts';
import type { DnsServerAddress } from './dns-exchange.ts';
import { parseMailDomain } from './mail-domain.ts';
import { lookUpMx } from './mx-lookup.ts';
import { noRoute } from './no-route.ts';
import { Resolver } from './resolver.ts';
import { type NoRoute, type Route, sameAnswer } from './route.ts';
import { siteName } from './site-name.ts';
import { type StaticRouteEntry, StaticRoutes } from './static-routes.ts';
import { type Target, targetsOf } from './targets.ts';

export interface Router {
  /**
   * The cached answer while it is fresh, at the cost of one look into a Map; `undefined` = call {@link Router.resolve}. The same object
   * for as long as look-ups say the same, so it may serve as a key. Near its end it is looked up again in the background.
   */
  peek(domain: string): Route | NoRoute | undefined;
  /** Looks up and caches; concurrent calls for one domain share one query. Never rejects. */
  resolve(domain: string): Promise<Route | NoRoute>;
  /**
   * Targets of one attempt in the order to try them: by preference, shuffled inside a preference, addresses of the wanted
   * family only; loopback, private and otherwise forbidden addresses are left out unless configured. Looks up addresses
   * host by host as the caller gets there (async iteration), so a good first host costs one look-up.
   * When there is no target the only item is a {@link NoRoute} that says why.
   */
  targets(route: Route, family: 4 | 6): AsyncIterable<Target | NoRoute>;
  /** Addresses of both families of a host that is no mail host (an egress proxy), unfiltered; empty = DNS has none, or no answer. Never rejects. */
  addresses(name: string): Promise<{ readonly addresses: readonly string[]; readonly ttlMs: number }>;
  /** Ends look-ups that are under way, with their timers and sockets; from then on what is not in memory is a transient failure. */
  close(): void;
}

export interface RouterOptions {
  /** Recursive resolvers, by IP address. */
  readonly servers: readonly DnsServerAddress[];
  /** Wait for one answer, milliseconds. */
  readonly timeoutMs: number;
  /** Questions asked before giving up, over all servers. */
  readonly attempts: number;
  /** Port of MX hosts. */
  readonly smtpPort: number;
  readonly routes: readonly StaticRouteEntry[];
  /** Networks that may be connected to although they are loopback, private or reserved. */
  readonly allowedTargets: readonly Pick<Network, 'contains'>[];
  /** In [0, 1). */
  readonly random: () => number;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  /** See `DnsClientOptions`. */
  readonly onServerFailure?: (server: string, reason: string) => void;
}

/** A route in use is looked up again when so much of its life is left, so that mail does not wait for DNS. */
export const REFRESH_AHEAD = 0.2;
/** Domains whose route is remembered. */
export const MAX_ROUTES = 200_000;

interface Known {
  result: Route | NoRoute;
  expiresAtMs: number;
  /** When {@link Router.peek} looks it up again; the end of its life once it did. */
  refreshAtMs: number;
}

interface Finding {
  readonly result: Route | NoRoute;
  readonly expiresAtMs: number;
}

/**
 * Finds the hosts of recipient domains.
 *
 * Example: `const router = createRouter({ ...settings.dns, smtpPort: 25, routes: [], allowedTargets: [], random: Math.random, nowMs });`
 */
export function createRouter(options: RouterOptions): Router {
  return new DnsRouter(options);
}

class DnsRouter implements Router {
  readonly #options: RouterOptions;
  readonly #client: DnsClient;
  readonly #resolver: Resolver;
  readonly #static: StaticRoutes;
  readonly #known = new BoundedCache<Known>(MAX_ROUTES);
  readonly #underWay = new Map<string, Promise<Route | NoRoute>>();

  constructor(options: RouterOptions) {
    const client = new DnsClient(options);
    this.#options = options;
    this.#client = client;
    this.#resolver = new Resolver({ query: (question) => client.query(question), nowMs: options.nowMs });
    this.#static = new StaticRoutes(options.routes, options.smtpPort);
  }

  peek(domain: string): Route | NoRoute | undefined {
    const known = this.#known.get(domain);
    if (known === undefined) return undefined;
    const nowMs = this.#options.nowMs();
    if (nowMs < known.refreshAtMs) return known.result;
    if (nowMs >= known.expiresAtMs) return undefined;
    known.refreshAtMs = known.expiresAtMs;
    // More than is left: the resolver's own memory of the answer does not count.
    void this.#refresh(domain, known.expiresAtMs - nowMs);
    return known.result;
  }

  resolve(domain: string): Promise<Route | NoRoute> {
    const known = this.#known.get(domain);
    if (known !== undefined && this.#options.nowMs() < known.expiresAtMs)
      return Promise.resolve(known.result);
    return this.#refresh(domain, 0);
  }

  targets(route: Route, family: 4 | 6): AsyncIterable<Target | NoRoute> {
    const { allowedTargets, random } = this.#options;
    return targetsOf(route, family, { resolver: this.#resolver, allowedTargets, random });
  }

  async addresses(name: string): Promise<{ readonly addresses: readonly string[]; readonly ttlMs: number }> {
    const host = name.toLowerCase().replace(/\.$/, '');
    const found = await Promise.all([this.#resolver.lookup(host, 'A'), this.#resolver.lookup(host, 'AAAA')]);
    const nowMs = this.#options.nowMs();
    return {
      addresses: found.flatMap(({ answer }) => (answer.kind === 'records' ? answer.addresses : [])),
      ttlMs: Math.max(0, Math.min(...found.map(({ expiresAtMs }) => expiresAtMs - nowMs))),
    };
  }

  close(): void {
    this.#client.close();
  }

  #refresh(domain: string, freshForMs: number): Promise<Route | NoRoute> {
    const underWay = this.#underWay.get(domain);
    if (underWay !== undefined) return underWay;
    const started = this.#find(domain, freshForMs).then((finding) => {
      this.#underWay.delete(domain);
      return this.#remember(domain, finding);
    });
    this.#underWay.set(domain, started);
    return started;
  }

  async #find(text: string, freshForMs: number): Promise<Finding> {
    const { smtpPort } = this.#options;
    const parsed = parseMailDomain(text);
    if (parsed === undefined) return forEver(noRoute('NoDomain', text, `"${text}" can be no mail domain`));
    const { name: domain } = parsed;
    const configured = this.#static.find(domain);
    if (configured !== undefined) return forEver({ kind: 'route', domain, origin: 'static', ...configured });
    if (parsed.kind === 'literal') {
      const hosts = [{ name: parsed.address, preference: 0, port: smtpPort }];
      return forEver({ kind: 'route', domain, site: siteName(hosts, smtpPort), hosts, origin: 'literal' });
    }
    const { result, expiresAtMs } = await lookUpMx(domain, smtpPort, this.#resolver, freshForMs);
    if ('kind' in result) return { result, expiresAtMs };
    const site = siteName(result.hosts, smtpPort);
    return { result: { kind: 'route', domain, site, ...result }, expiresAtMs };
  }

  /** An equal answer keeps the object of the last one: lanes do not move for nothing. */
  #remember(domain: string, { result, expiresAtMs }: Finding): Route | NoRoute {
    const before = this.#known.get(domain)?.result;
    const kept = before !== undefined && sameAnswer(before, result) ? before : result;
    const nowMs = this.#options.nowMs();
    // What is no route is not asked for often enough to be looked up ahead.
    const share = kept.kind === 'route' ? 1 - REFRESH_AHEAD : 1;
    const refreshAtMs = nowMs + (expiresAtMs - nowMs) * share;
    this.#known.set(domain, { result: kept, expiresAtMs, refreshAtMs });
    return kept;
  }
}

function forEver(result: Route | NoRoute): Finding {
  return { result, expiresAtMs: Number.POSITIVE_INFINITY };
}
