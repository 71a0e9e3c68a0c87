import type { EgressConfig, EgressWay, PoolConfig, PoolMatch } from './egress-config.ts';
import type { EgressPool } from './egress-pool.ts';
import { canonicalAddress } from './ip-address.ts';
import { byName, byText, sortedSet } from './order.ts';
import { present } from './present.ts';

/** Name of the entry of a pool that has none: such a pool takes everything. */
export const MATCH_EVERYTHING = 'everything';

type Egress = EgressPool['spec']['egress'];

/** One pool as the pods run it: defaults filled in, addresses in canonical form. */
export function compilePool(pool: EgressPool): PoolConfig {
  const { selection, sources, egress } = pool.spec;
  return {
    name: pool.metadata.name,
    selection: {
      strategy: selection?.strategy ?? 'Weighted',
      onRetry: selection?.onRetry ?? 'PreferSameSource',
    },
    sources: sources
      .map((source) => ({
        name: source.name,
        address: canonical(source.address),
        ehlo: source.ehlo,
        weight: source.weight,
        state: source.state,
        labels: source.labels,
        egress: wayOut(source.egress ?? egress, source.address),
      }))
      .toSorted(byName),
  };
}

function wayOut(egress: Egress, address: string): EgressWay {
  if (egress?.type !== 'Bind') return { type: 'Direct' };
  return { type: 'Bind', bind: { address: canonical(egress.bind?.address ?? address) } };
}

/** The schema has accepted it, so it has a canonical form. */
function canonical(address: string): string {
  return canonicalAddress(address) ?? address;
}

/** Entries of all pools in the order in which they are tried. */
export function compileMatches(pools: readonly EgressPool[]): EgressConfig['matches'] {
  return pools
    .flatMap(matchesOf)
    .toSorted((a, b) => b.priority - a.priority || byText(a.pool, b.pool) || byName(a, b));
}

function matchesOf(pool: EgressPool): readonly PoolMatch[] {
  const name = pool.metadata.name;
  const entries = pool.spec.match;
  if (entries === undefined) return [{ pool: name, name: MATCH_EVERYTHING, priority: 0 }];
  return entries.map((entry) =>
    present({
      pool: name,
      name: entry.name,
      priority: entry.priority,
      tenants: sortedSet(entry.tenants),
      tenantSelector: entry.tenantSelector?.matchLabels,
      classes: sortedSet(entry.classes),
      fromDomains: sortedSet(entry.fromDomains),
      recipientDomains: sortedSet(entry.recipientDomains),
    }),
  );
}
