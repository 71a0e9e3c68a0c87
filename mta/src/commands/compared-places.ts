import type { EgressConfig } from '@sluice/crds';

/** Combinations of a domain and a Group that are looked at, over all pools: a few seconds. */
export const MAX_COMPARED = 100_000;

/** A place to look at: what no policy names, or one claim of a destination. */
export interface Place {
  /** `''` = what no policy names. */
  readonly destination: string;
  readonly claim: string;
  readonly domain: string;
  readonly hosts: readonly string[];
}

/** A domain of one destination with an MX of another, a Group: both layers apply. */
export interface Pair extends Place {
  readonly parts: readonly [byDomain: Place, byMx: Place];
}

export function isPair(place: Place): place is Pair {
  return 'parts' in place;
}

/** Each claim of each destination of two configurations, and what none of them names. */
export function placesOf(old: EgressConfig, now: EgressConfig): readonly Place[] {
  const places = new Map<string, Place>([['', { destination: '', claim: '', domain: '', hosts: [] }]]);
  for (const { name, match } of [...old.policies, ...now.policies].flatMap((policy) => policy.destinations)) {
    for (const [kind, values] of Object.entries(match)) {
      for (const value of values) {
        const place = kind === 'mxSuffixes' ? { domain: '', hosts: [value] } : { domain: value, hosts: [] };
        const claim = `${kind} ${value}`;
        places.set(`${name} ${claim}`, { destination: name, claim, ...place });
      }
    }
  }
  return [...places.values()];
}

/**
 * Domains of one destination with an MX of another, as far as what is written for one of the two (or for all mail) differs between the
 * configurations. One claim stands for all of a destination.
 *
 * @param max pairs at most; `leftOut` counts the others
 */
export function pairsOf(
  old: EgressConfig,
  now: EgressConfig,
  places: readonly Place[],
  max: number,
): { readonly pairs: readonly Pair[]; readonly leftOut: number } {
  const groups = firstOfEach(places.filter(({ hosts }) => hosts.length > 0));
  const isGroup = new Set(groups.map(({ destination }) => destination));
  // A Group that lists a domain is the Group of that domain, whatever its MX.
  const domains = firstOfEach(
    places.filter(({ domain, destination }) => domain !== '' && !isGroup.has(destination)),
  );
  const changed = changedNames(old, now);
  const isChanged = ({ destination }: Place) => changed.has('') || changed.has(destination);
  const pairs: Pair[] = [];
  let leftOut = 0;
  for (const byDomain of domains) {
    for (const byMx of groups) {
      if (!isChanged(byDomain) && !isChanged(byMx)) continue;
      if (pairs.length >= max) {
        leftOut++;
        continue;
      }
      const destination = `${byDomain.destination} at ${byMx.destination}`;
      pairs.push({
        destination,
        claim: '',
        domain: byDomain.domain,
        hosts: byMx.hosts,
        parts: [byDomain, byMx],
      });
    }
  }
  return { pairs, leftOut };
}

/** Sentences for who reads a difference: what the MX of a domain was taken to be. */
export function assumptionsOf(places: readonly Place[], leftOut: number): readonly string[] {
  const hasGroups = places.some(({ hosts }) => hosts.length > 0);
  const hasDomains = places.some(({ domain }) => domain !== '');
  return [
    ...(hasGroups && hasDomains
      ? [
          'No MX is looked up: a destination by domain is shown with an MX of no Group, a Group for domains without a destination of their own; "a at b" is a domain of a with an MX of Group b.',
        ]
      : []),
    ...(leftOut > 0 ? [`${leftOut} combinations of a domain with a Group were not looked at.`] : []),
  ];
}

function firstOfEach(places: readonly Place[]): readonly Place[] {
  const first = new Map<string, Place>();
  for (const place of places) if (!first.has(place.destination)) first.set(place.destination, place);
  return [...first.values()];
}

/** Destinations whose entries differ in any policy; `''` = the layer of all mail does. */
function changedNames(old: EgressConfig, now: EgressConfig): ReadonlySet<string> {
  const [before, after] = [entriesByName(old), entriesByName(now)];
  const names = [...before.keys(), ...after.keys()];
  return new Set(names.filter((name) => before.get(name) !== after.get(name)));
}

function entriesByName({ policies }: EgressConfig): ReadonlyMap<string, string> {
  const entries = new Map<string, string>();
  const add = (name: string, text: string) => entries.set(name, `${entries.get(name) ?? ''}\n${text}`);
  for (const { name: policy, priority, pools, default: widest, destinations } of policies) {
    if (widest !== undefined) add('', JSON.stringify([policy, priority, pools, widest]));
    for (const entry of destinations) add(entry.name, JSON.stringify([policy, priority, pools, entry]));
  }
  return entries;
}
