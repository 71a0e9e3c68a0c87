import { canonicalAddress, normalDomain, suffixesOf, type TlsLevel } from '@sluice/crds';
import { sortHosts } from './mx-rules.ts';
import type { MxHost } from './route.ts';
import { siteName } from './site-name.ts';

/** An entry of `routes` in sluice.yaml. */
export interface StaticRouteEntry {
  /** `example.com`, `*.example.com` (every domain below it, not itself) or `*`; lower case. */
  readonly domain: string;
  readonly hosts: readonly StaticHost[];
  readonly tlsLevel?: TlsLevel;
}

export interface StaticHost {
  /** A name or an IP address, with or without brackets. */
  readonly host: string;
  readonly port: number;
  readonly preference: number;
  readonly auth?: { readonly username: string; readonly password: string };
}

export interface StaticRoute {
  readonly site: string;
  readonly hosts: readonly MxHost[];
  readonly tlsLevel?: TlsLevel;
}

/**
 * End of the names of static sites. Such hosts are trusted as they are configured, private addresses and AUTH included; an MX record of a
 * stranger that names the same host must not put its mail on their sessions, nor its failures on their lane.
 */
const STATIC = ';static';

/** Static routes by the pattern that leads to them. Of two entries with one pattern the first applies. */
export class StaticRoutes {
  readonly #byPattern = new Map<string, StaticRoute>();

  constructor(entries: readonly StaticRouteEntry[], smtpPort: number) {
    for (const { domain, hosts: given, tlsLevel } of entries) {
      if (given.length === 0 || this.#byPattern.has(domain)) continue;
      const hosts = sortHosts(given.map(mxHost));
      const site = siteName(hosts, smtpPort) + STATIC;
      this.#byPattern.set(domain, { site, hosts, ...(tlsLevel === undefined ? {} : { tlsLevel }) });
    }
  }

  /** The most exact entry: the domain itself, else the longest `*.suffix`, else `*`. */
  find(domain: string): StaticRoute | undefined {
    if (this.#byPattern.size === 0) return undefined;
    const exact = this.#byPattern.get(domain);
    if (exact !== undefined) return exact;
    for (const suffix of suffixesOf(domain)) {
      const below = suffix === domain ? undefined : this.#byPattern.get(`*.${suffix}`);
      if (below !== undefined) return below;
    }
    return this.#byPattern.get('*');
  }
}

function mxHost({ host, port, preference, auth }: StaticHost): MxHost {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host;
  const name = canonicalAddress(bare) ?? normalDomain(bare);
  return { name, port, preference, ...(auth === undefined ? {} : { auth }) };
}
