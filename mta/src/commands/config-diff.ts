import {
  type EffectiveLimit,
  type EffectivePolicy,
  type EgressConfig,
  effectivePolicy,
  type PoolConfig,
  type PoolMatch,
} from '@sluice/crds';
import { diffValues, type FieldChange } from './value-diff.ts';

/** A change of one pool: its sources, its match entries, its other fields. */
export interface PoolChange extends FieldChange {
  readonly pool: string;
}

export interface DestinationChange extends FieldChange {
  /** Pools whose mail it is about; all of those that both sides have are `every`. */
  readonly pools: readonly string[] | 'every';
  /** Names of destinations; with the claim where only some of its claims are concerned: `google (mxSuffixes google.com)`. */
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
}

/** A place to look at: what no policy names, or one claim of a destination. */
interface Probe {
  /** `''` = what no policy names. */
  readonly destination: string;
  readonly claim: string;
  readonly domain: string;
  readonly hosts: readonly string[];
}

/**
 * What changes in effective terms from one configuration to another. Destinations are looked at one claim at a time, not at
 * every combination of a Group with a domain. Pure.
 */
export function diffConfigs(old: EgressConfig, now: EgressConfig): ConfigDiff {
  const has = (config: EgressConfig, name: string) => config.pools.some((pool) => pool.name === name);
  return {
    poolsAdded: now.pools.filter(({ name }) => !has(old, name)),
    poolsRemoved: old.pools.filter(({ name }) => !has(now, name)),
    pools: old.pools.filter(({ name }) => has(now, name)).flatMap(({ name }) => diffPool(name, old, now)),
    destinations: diffDestinations(old, now),
  };
}

export function isEmpty(diff: ConfigDiff): boolean {
  return Object.values(diff).every((changes) => changes.length === 0);
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

function diffDestinations(old: EgressConfig, now: EgressConfig): readonly DestinationChange[] {
  const pools = comparedPools(old, now);
  const probes = probesOf(old, now);
  const found = new Map<string, { readonly change: FieldChange; readonly at: Map<string, Set<Probe>> }>();
  const remembered = new WeakMap<EffectivePolicy, WeakMap<EffectivePolicy, readonly FieldChange[]>>();
  for (const pool of pools) {
    for (const probe of probes) {
      const before = effectivePolicy(old, pool, probe.domain, probe.hosts);
      const after = effectivePolicy(now, pool, probe.domain, probe.hosts);
      const known = remembered.get(before) ?? new WeakMap();
      remembered.set(before, known);
      const changes = known.get(after) ?? diffValues('', comparable(before), comparable(after));
      known.set(after, changes);
      for (const change of changes) {
        const key = JSON.stringify(change);
        const seen = found.get(key) ?? { change, at: new Map<string, Set<Probe>>() };
        found.set(key, seen);
        seen.at.set(pool, (seen.at.get(pool) ?? new Set()).add(probe));
      }
    }
  }
  return [...found.values()].flatMap(({ change, at }) => {
    // Pools where it is about the same places are told together.
    const alike = Map.groupBy(at, ([, places]) => probes.map((probe) => Number(places.has(probe))).join(''));
    return [...alike.values()].map((group) => ({
      ...change,
      pools: group.length === pools.length ? ('every' as const) : group.map(([pool]) => pool),
      ...placesOf(probes, group[0]?.[1] ?? new Set()),
    }));
  });
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

function probesOf(old: EgressConfig, now: EgressConfig): readonly Probe[] {
  const probes = new Map<string, Probe>([['', { destination: '', claim: '', domain: '', hosts: [] }]]);
  for (const { name, match } of [...old.policies, ...now.policies].flatMap((policy) => policy.destinations)) {
    for (const [kind, values] of Object.entries(match)) {
      for (const value of values) {
        const place = kind === 'mxSuffixes' ? { domain: '', hosts: [value] } : { domain: value, hosts: [] };
        const claim = `${kind} ${value}`;
        probes.set(`${name} ${claim}`, { destination: name, claim, ...place });
      }
    }
  }
  return [...probes.values()];
}

/** Names of the places that a change is about, and of those that it is not. */
function placesOf(
  probes: readonly Probe[],
  concerned: ReadonlySet<Probe>,
): Pick<DestinationChange, 'destinations' | 'others' | 'except'> {
  const byName = Map.groupBy(probes, ({ destination }) => destination);
  byName.delete('');
  const destinations: string[] = [];
  const except: string[] = [];
  for (const [name, claims] of byName) {
    const [inside, outside] = [
      claims.filter((probe) => concerned.has(probe)),
      claims.filter((probe) => !concerned.has(probe)),
    ];
    if (inside.length > 0) destinations.push(outside.length === 0 ? name : partOf(name, inside));
    if (outside.length > 0) except.push(inside.length === 0 ? name : partOf(name, outside));
  }
  const others = probes.some((probe) => probe.destination === '' && concerned.has(probe));
  return { destinations: destinations.toSorted(), others, except: except.toSorted() };
}

function partOf(name: string, claims: readonly Probe[]): string {
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
