import { longestSuffix, suffixesOf } from './domain-name.ts';
import { byClaimOrder, type Destination, type PolicyView } from './policy-view.ts';

/** Destinations whose layers a domain gets, widest first; each at most once. */
export interface Classification {
  readonly group: Destination | undefined;
  readonly suffix: Destination | undefined;
  readonly domain: Destination | undefined;
}

/**
 * Classifies a domain. The Group is that of the strongest claim: a Group that lists the domain, else the one with the
 * longest domain suffix, else the one with the longest MX suffixes that all best-preference hosts match. Destinations that are no
 * Groups lay themselves over it, the domain suffix first, then the domain.
 *
 * @param hosts names of the best-preference MX hosts, lower case, without final dot
 */
export function classify(view: PolicyView, domain: string, hosts: readonly string[]): Classification {
  const byDomain = view.claims.domains.get(domain);
  const bySuffix = longestSuffix(domain, view.claims.domainSuffixes);
  const group = [byDomain, bySuffix].find(isGroup) ?? groupOfHosts(view, hosts);
  const ownDomain = byDomain === group ? undefined : byDomain;
  return {
    group,
    suffix: bySuffix === group || bySuffix === ownDomain ? undefined : bySuffix,
    domain: ownDomain,
  };
}

function isGroup(destination: Destination | undefined): boolean {
  return (destination?.match.mxSuffixes?.length ?? 0) > 0;
}

/**
 * The Group that all hosts belong to. A Group's claim is as long as the shortest suffix by which it holds one of the hosts;
 * equal claims: the first by (priority, name).
 */
function groupOfHosts(view: PolicyView, hosts: readonly string[]): Destination | undefined {
  const { mxSuffixes } = view.claims;
  if (mxSuffixes.size === 0) return undefined;
  let common: ReadonlyMap<Destination, number> | undefined;
  for (const host of hosts) {
    const held = new Map<Destination, number>();
    for (const suffix of suffixesOf(host)) {
      const group = mxSuffixes.get(suffix);
      if (group === undefined || held.has(group)) continue;
      const before: number | undefined = common === undefined ? suffix.length : common.get(group);
      if (before !== undefined) held.set(group, Math.min(before, suffix.length));
    }
    if (held.size === 0) return undefined;
    common = held;
  }
  let best: Destination | undefined;
  let bestLength = 0;
  for (const [group, length] of common ?? []) {
    const wins =
      best === undefined ||
      length > bestLength ||
      (length === bestLength && byClaimOrder('mxSuffixes', group, best) < 0);
    if (wins) {
      best = group;
      bestLength = length;
    }
  }
  return best;
}
