import { lookup } from 'node:dns/promises';
import type { Router } from '../route/mod.ts';
import type { FoundAddresses } from './proxy-endpoints.ts';

/** How long an answer of the system's look-up counts, which does not tell its TTL: as long as Kubernetes' DNS says of Services, milliseconds. */
const SYSTEM_TTL_MS = 30_000;

/**
 * Looks up proxies: in DNS as the name stands, and where there is nothing as the system does, with its hosts file and search list, because
 * `egress-a.mail.svc` is no whole name.
 */
export function proxyAddresses(router: Pick<Router, 'addresses'>): (name: string) => Promise<FoundAddresses> {
  return async (name) => {
    const found = await router.addresses(name);
    if (found.addresses.length > 0) return found;
    const addresses = await lookup(name, { all: true });
    return { addresses: addresses.map(({ address }) => address), ttlMs: SYSTEM_TTL_MS };
  };
}
