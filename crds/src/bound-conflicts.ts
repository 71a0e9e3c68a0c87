import { canonicalJson } from './canonical-json.ts';
import type { Remark } from './condition.ts';
import { type BasePolicy, type ConfigIndex, sameToPolicies } from './config-index.ts';
import type { EffectiveLimit } from './effective-policy.ts';
import type { EgressConfig, SourceConfig } from './egress-config.ts';
import { CLAIM_KINDS, type PolicyView } from './policy-view.ts';
import { addRemark, type RemarksByName } from './remarks.ts';
import { sourceHolds } from './when.ts';

/** One domain or host to look at: what all pools say about it is compared. */
interface Probe {
  /** For the message: `every destination`, `destination "google"`. */
  readonly where: string;
  readonly domain: string;
  readonly hosts: readonly string[];
}

/** Who keeps a counter, with the source that the counter is for if it is for one. */
interface Holder {
  /** Several if policies cannot tell them apart. */
  readonly pools: readonly string[];
  readonly view: PolicyView;
  readonly source: SourceConfig | undefined;
}

/** Pools that keep the same counters; `about` says of what, `''` = of everything that does not name Source. */
interface Sharing {
  readonly about: string;
  readonly holders: readonly Holder[];
}

/**
 * Counters that two pools bind differently; both pools are told, with the other's name. Looked for at the default layer and at
 * one claim of each destination, not at every combination of a Group with a domain.
 */
export function boundConflicts(config: EgressConfig, index: ConfigIndex): RemarksByName {
  const remarks = new Map<string, Remark[]>();
  const sharings = [allPools(config, index), ...sharedAddresses(config, index)].filter(mayDiffer);
  const views = new Set(sharings.flatMap(({ holders }) => holders.map((holder) => holder.view)));
  for (const probe of sharings.length === 0 ? [] : probesOf(views)) {
    const bases = new Map([...views].map((view) => [view, index.baseFor(view, probe.domain, probe.hosts)]));
    for (const sharing of sharings) compare(sharing, bases, probe, remarks);
  }
  return remarks;
}

function allPools(config: EgressConfig, index: ConfigIndex): Sharing {
  const byView = Map.groupBy(config.pools, (pool) => index.viewOf(pool.name));
  const holders = [...byView].map(([view, pools]) => ({
    pools: pools.map((pool) => pool.name),
    view,
    source: undefined,
  }));
  return { about: '', holders };
}

function sharedAddresses(config: EgressConfig, index: ConfigIndex): readonly Sharing[] {
  const holders = config.pools.flatMap(({ name, sources }) =>
    sources.map((source) => ({ pools: [name], view: index.viewOf(name), source })),
  );
  const byAddress = Map.groupBy(holders, (holder) => holder.source.address);
  return [...byAddress].map(([about, group]) => ({ about, holders: group }));
}

/** Equal policies for sources that policies cannot tell apart bind alike. */
function mayDiffer({ holders }: Sharing): boolean {
  const [first] = holders;
  return holders.some(
    ({ view, source }) =>
      view !== first?.view || (source && first.source && !sameToPolicies(source, first.source)),
  );
}

/** The default layer, and the first claim of each kind of each destination that limits anything. */
function probesOf(views: ReadonlySet<PolicyView>): readonly Probe[] {
  const probes = new Map<string, Probe>([['', { where: 'every destination', domain: '', hosts: [] }]]);
  for (const view of views) {
    for (const { name, match, layers } of view.destinations.values()) {
      if (layers.every((layer) => layer.limits === undefined)) continue;
      for (const kind of CLAIM_KINDS) {
        const claim = match[kind]?.[0];
        if (claim === undefined) continue;
        const place = kind === 'mxSuffixes' ? { domain: '', hosts: [claim] } : { domain: claim, hosts: [] };
        probes.set(`${kind} ${claim}`, { where: `destination "${name}"`, ...place });
      }
    }
  }
  return [...probes.values()];
}

function compare(
  { about, holders }: Sharing,
  bases: ReadonlyMap<PolicyView, BasePolicy>,
  probe: Probe,
  remarks: Map<string, Remark[]>,
): void {
  const counters = new Map<string, { readonly holder: Holder; readonly limit: EffectiveLimit }[]>();
  for (const holder of holders) {
    const policy = bases.get(holder.view)?.policy;
    for (const limit of policy?.limits ?? []) {
      if (limit.per.includes('Pool') || limit.per.includes('Source') !== (holder.source !== undefined))
        continue;
      // In another Group the counter that names it is another one; so it is with another `per`.
      const group = limit.per.includes('Group') ? policy?.group : '';
      const counter = `${limit.name} ${limit.per.join()} ${group}`;
      const known = counters.get(counter);
      if (known === undefined) counters.set(counter, [{ holder, limit }]);
      else known.push({ holder, limit });
    }
  }
  for (const held of counters.values()) {
    for (const { holder, limit } of held) {
      const rival = held.find((other) => other.holder !== holder && !bindAlike(holder, limit, other));
      if (rival === undefined) continue;
      const what = about === '' ? `Limit "${limit.name}"` : `Limit "${limit.name}" of ${about}`;
      const sentence = `${what} is set differently by EgressPool "${rival.holder.pools[0]}" for ${probe.where}; the smaller bound applies.`;
      for (const pool of holder.pools) addRemark(remarks, pool, { reason: 'BoundsDiffer', sentence });
    }
  }
}

function bindAlike(
  holder: Holder,
  limit: EffectiveLimit,
  other: { readonly holder: Holder; readonly limit: EffectiveLimit },
): boolean {
  if (limit === other.limit && (limit.overrides.length === 0 || holder.source === other.holder.source))
    return true;
  return boundsSeenBy(limit, holder.source) === boundsSeenBy(other.limit, other.holder.source);
}

/** A limit as one source meets it: its conditions on the source answered, so that equal texts bind the source alike. */
function boundsSeenBy(limit: EffectiveLimit, source: SourceConfig | undefined): string {
  const answered = (when: EffectiveLimit['when']) => {
    const { sources, sourceSelector, ...rest } = when ?? {};
    const holds = when === undefined || source === undefined || sourceHolds(when, source.name, source.labels);
    return { ...rest, holds };
  };
  return canonicalJson({
    scope: limit.scope,
    when: answered(limit.when),
    bounds: limit.bounds,
    overrides: limit.overrides
      .map(({ when, bounds }) => ({ when: answered(when), bounds }))
      .filter(({ when }) => when.holds),
  });
}
