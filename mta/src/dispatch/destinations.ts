import { type EffectivePolicy, type EgressConfig, effectivePolicy } from '@sluice/crds';
import type { SessionOptions } from '../deliver/mod.ts';
import { bestPreferenceHosts, type NoRoute, type Route, type Router } from '../route/mod.ts';
import type { AttemptKeys } from './limit-keys.ts';

/** Where and how mail of one pool goes to one domain: its route and the policy in force. */
export interface Destination {
  readonly pool: string;
  readonly domain: string;
  readonly route: Route;
  readonly policy: EffectivePolicy;
  /** The policy's, unless a `routes` entry of sluice.yaml asks for another level. */
  readonly tls: SessionOptions['tls'];
  /** Name of the lane: the site and, where it is not the usual one, its TLS: sessions of another level or certificate are not shared. */
  readonly laneSite: string;
  /** Limits already resolved: by traffic (tenant, campaign, class), then by source and host. */
  readonly keys: Map<string, Map<string, AttemptKeys>>;
}

/** Between the site and its TLS in the name of a lane; no host name has it. */
const SUFFIX = ';tls=';

/** The site in the name of a lane. */
export function siteOf(laneSite: string): string {
  const at = laneSite.indexOf(SUFFIX);
  return at < 0 ? laneSite : laneSite.slice(0, at);
}

const MAX_REMEMBERED = 200_000;

/** Destinations of one configuration; derived anew when the configuration or the domain's MX changes. */
export class Destinations {
  readonly #config: EgressConfig;
  readonly #router: Router;
  readonly #remembered = new Map<string, Destination>();

  constructor(config: EgressConfig, router: Router) {
    this.#config = config;
    this.#router = router;
  }

  /** The destination while its route is fresh; a {@link NoRoute} while that is remembered; `undefined` = ask the router first. */
  peek(pool: string, domain: string): Destination | NoRoute | undefined {
    const route = this.#router.peek(domain);
    if (route?.kind !== 'route') return route;
    const key = `${pool}\n${domain}`;
    const remembered = this.#remembered.get(key);
    if (remembered !== undefined && remembered.route === route) return remembered;
    const policy = effectivePolicy(this.#config, pool, domain, bestPreferenceHosts(route));
    const { clientCertificateName } = policy.session.tls;
    const level = route.tlsLevel ?? policy.session.tls.level;
    const tls = { level, ...(clientCertificateName === undefined ? {} : { clientCertificateName }) };
    const laneSite = route.site + laneSuffix(tls);
    const destination: Destination = { pool, domain, route, policy, tls, laneSite, keys: new Map() };
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(key, destination);
    return destination;
  }
}

/** Example: `;tls=Verify;certificate=partners`; empty for plain opportunistic TLS. */
function laneSuffix({ level, clientCertificateName }: SessionOptions['tls']): string {
  const certificate = clientCertificateName === undefined ? '' : `;certificate=${clientCertificateName}`;
  return level === 'Opportunistic' && certificate === '' ? '' : `${SUFFIX}${level}${certificate}`;
}
