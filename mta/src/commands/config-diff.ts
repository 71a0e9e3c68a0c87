import {
  type EffectiveLimit,
  type EffectivePolicy,
  type EgressConfig,
  effectivePolicy,
  type PoolConfig,
  type PoolMatch,
} from '@sluice/crds';
import { assumptionsOf, isPair, MAX_COMPARED, type Place, pairsOf, placesOf } from './compared-places.ts';
import { diffValues, type FieldChange } from './value-diff.ts';

/** A change of one pool: its sources, its match entries, its other fields. */
export interface PoolChange extends FieldChange {
  readonly pool: string;
}

export interface DestinationChange extends FieldChange {
  /** Pools whose mail it is about; all of those that both sides have are `every`. */
  readonly pools: readonly string[] | 'every';
  /**
   * Names of destinations; with the claim where only some of its claims are concerned: `google (mxSuffixes google.com)`. `comcast at google` =
   * a domain of the one with an MX of the other, where that comes to more than the two by themselves.
   */
  readonly destinations: readonly string[];
  /** Whether it is also about every destination that no policy names. */
  readonly others: boolean;
  /** Named destinations that it is not about. */
  readonly except: readonly string[];
}

/** What `sluice diff --json` prints. */
export interface ConfigDiff {
  readonly poolsAdded: readonly PoolConfig[];
  readonly poolsRemoved: readonly PoolConfig[];
  readonly pools: readonly PoolChange[];
  readonly destinations: readonly DestinationChange[];
  /** What was taken for granted about the MX of domains, and what was not looked at: sentences. */
  readonly assumptions: readonly string[];
}

/** What changes in effective terms from one configuration to another. Pure. */
export function diffConfigs(old: EgressConfig, now: EgressConfig): ConfigDiff {
  const has = (config: EgressConfig, name: string) => config.pools.some((pool) => pool.name === name);
  return {
    poolsAdded: now.pools.filter(({ name }) => !has(old, name)),
    poolsRemoved: old.pools.filter(({ name }) => !has(now, name)),
    pools: old.pools.filter(({ name }) => has(now, name)).flatMap(({ name }) => diffPool(name, old, now)),
    ...diffDestinations(old, now),
  };
}

export function isEmpty({ assumptions: _, ...changes }: ConfigDiff): boolean {
  return Object.values(changes).every((each) => each.length === 0);
}

function diffPool(name: string, old: EgressConfig, now: EgressConfig): readonly PoolChange[] {
  const of = (config: EgressConfig) => ({
    ...config.pools.find((pool) => pool.name === name),
    match: matchesOf(config, name).map(({ pool: _, ...match }) => match),
  });
  return diffValues('', of(old), of(now)).map((change) => ({ pool: name, ...change }));
}

/** The match entries of a pool, in the order in which they are tried. */
export function matchesOf(config: Pick<EgressConfig, 'matches'>, pool: string): readonly PoolMatch[] {
  return config.matches.filter((match) => match.pool === pool);
}

function diffDestinations(
  old: EgressConfig,
  now: EgressConfig,
): Pick<ConfigDiff, 'destinations' | 'assumptions'> {
  const pools = comparedPools(old, now);
  const places = placesOf(old, now);
  const { pairs, leftOut } = pairsOf(old, now, places, Math.floor(MAX_COMPARED / Math.max(1, pools.length)));
  const changesAt = comparison(old, now);
  const found = new Map<string, { readonly change: FieldChange; readonly at: Map<string, Set<Place>> }>();
  const add = (pool: string, place: Place, change: FieldChange, key: string) => {
    const seen = found.get(key) ?? { change, at: new Map<string, Set<Place>>() };
    found.set(key, seen);
    seen.at.set(pool, (seen.at.get(pool) ?? new Set()).add(place));
  };
  for (const pool of pools) {
    for (const place of places)
      for (const [key, change] of changesAt(pool, place)) add(pool, place, change, key);
    for (const pair of pairs) {
      // What one of the two shows by itself is told there.
      const [byDomain, byMx] = pair.parts.map((part) => changesAt(pool, part));
      for (const [key, change] of changesAt(pool, pair))
        if (!byDomain?.has(key) && !byMx?.has(key)) add(pool, pair, change, key);
    }
  }
  const all: readonly Place[] = [...places, ...pairs];
  const destinations = [...found.values()].flatMap(({ change, at }) => {
    // Pools where it is about the same places are told together.
    const alike = Map.groupBy(at, ([, concerned]) =>
      all.flatMap((place, index) => (concerned.has(place) ? [index] : [])).join(' '),
    );
    return [...alike.values()].map((group) => ({
      ...change,
      pools: group.length === pools.length ? ('every' as const) : group.map(([pool]) => pool),
      ...namesOf(all, group[0]?.[1] ?? new Set()),
    }));
  });
  return { destinations, assumptions: assumptionsOf(places, leftOut) };
}

type Changes = ReadonlyMap<string, FieldChange>;

/** What differs at a place for a pool, by its text; remembered, because few policies stand for many places. */
function comparison(old: EgressConfig, now: EgressConfig): (pool: string, place: Place) => Changes {
  const remembered = new WeakMap<EffectivePolicy, WeakMap<EffectivePolicy, Changes>>();
  return (pool, { domain, hosts }) => {
    const before = effectivePolicy(old, pool, domain, hosts);
    const after = effectivePolicy(now, pool, domain, hosts);
    const known = remembered.get(before) ?? new WeakMap<EffectivePolicy, Changes>();
    remembered.set(before, known);
    let changes = known.get(after);
    if (changes === undefined) {
      const list = diffValues('', comparable(before), comparable(after));
      changes = new Map(list.map((change) => [JSON.stringify(change), change]));
      known.set(after, changes);
    }
    return changes;
  };
}

/** Pools of both sides. Files without any pool are policies by themselves: the pools that they name, and any other (`''`). */
function comparedPools(old: EgressConfig, now: EgressConfig): readonly string[] {
  if (old.pools.length > 0 && now.pools.length > 0) {
    const names = new Set(now.pools.map(({ name }) => name));
    return old.pools.map(({ name }) => name).filter((name) => names.has(name));
  }
  const named = [...old.policies, ...now.policies].flatMap((policy) => policy.pools ?? []);
  return [...new Set(['', ...[...old.pools, ...now.pools].map(({ name }) => name), ...named])];
}

/** Names of the places that a change is about, and of those that it is not. */
function namesOf(
  places: readonly Place[],
  concerned: ReadonlySet<Place>,
): Pick<DestinationChange, 'destinations' | 'others' | 'except'> {
  const byName = Map.groupBy(places, ({ destination }) => destination);
  byName.delete('');
  const destinations: string[] = [];
  const except: string[] = [];
  for (const [name, claims] of byName) {
    const [inside, outside] = [
      claims.filter((place) => concerned.has(place)),
      claims.filter((place) => !concerned.has(place)),
    ];
    if (inside.length > 0) destinations.push(outside.length === 0 ? name : partOf(name, inside));
    if (outside.length > 0 && !outside.some(isPair))
      except.push(inside.length === 0 ? name : partOf(name, outside));
  }
  const others = places.some((place) => place.destination === '' && concerned.has(place));
  return { destinations: destinations.toSorted(), others, except: except.toSorted() };
}

function partOf(name: string, claims: readonly Place[]): string {
  return `${name} (${claims.map(({ claim }) => claim).join(', ')})`;
}

/** A policy with its limits as users write them: bounds beside `per`. */
function comparable(policy: EffectivePolicy): object {
  return {
    ...policy,
    group: policy.group === '' ? 'none' : policy.group,
    limits: policy.limits.map(comparableLimit),
  };
}

function comparableLimit({ bounds, overrides, rivals, ...limit }: EffectiveLimit): object {
  return {
    ...limit,
    ...bounds,
    ...(overrides.length > 0 && {
      overrides: overrides.map(({ bounds: own, ...override }) => ({ ...override, ...own })),
    }),
    ...(rivals !== undefined && {
      sharedWith: boundsOf(rivals),
    }),
  };
}

/**
 * What other pools bind the same counters to, each once and without the pool's name: among pools of the same policies one
 * speaks for all, and which one it is says nothing.
 */
function boundsOf(rivals: NonNullable<EffectiveLimit['rivals']>): readonly object[] {
  const byText = new Map(rivals.map(({ limit }) => [JSON.stringify(limit.bounds), limit.bounds]));
  return [...byText].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, bounds]) => bounds);
}
