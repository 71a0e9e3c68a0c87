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

/** Sharings whose holders have the same policies: what these say is compared once for all of them. */
interface Kin {
  readonly views: readonly PolicyView[];
  readonly sharings: readonly Sharing[];
  /** Limits of one counter, one per view, that have been compared: the default layer's come again at every destination. */
  readonly compared: Set<string>;
}

/**
 * Counters that two pools bind differently; both pools are told, with the other's name. Looked for at the default layer and at
 * one claim of each destination, not at every combination of a Group with a domain.
 */
export function boundConflicts(config: EgressConfig, index: ConfigIndex): RemarksByName {
  const remarks = new Map<string, Remark[]>();
  const sharings = [allPools(config, index), ...sharedAddresses(config, index)].filter(mayDiffer);
  if (sharings.length === 0) return remarks;
  const views = new Set(sharings.flatMap(({ holders }) => holders.map((holder) => holder.view)));
  const kins = kinsOf(sharings, views);
  const comparison = new BoundComparison();
  for (const probe of probesOf(views)) {
    const bases = new Map([...views].map((view) => [view, index.baseFor(view, probe.domain, probe.hosts)]));
    for (const kin of kins) compare(kin, bases, probe, comparison, remarks);
  }
  return remarks;
}

function kinsOf(sharings: readonly Sharing[], views: ReadonlySet<PolicyView>): readonly Kin[] {
  const numbers = new Map([...views].map((view, number) => [view, number]));
  const groups = Map.groupBy(sharings, ({ about, holders }) => {
    const own = new Set(holders.map(({ view }) => numbers.get(view)));
    return `${about === ''} ${[...own].join()}`;
  });
  return [...groups.values()].map((group) => ({
    views: [...new Set(group[0]?.holders.map(({ view }) => view))],
    sharings: group,
    compared: new Set<string>(),
  }));
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
  const shared = addressesOfSeveral(config);
  if (shared.size === 0) return [];
  const holders = config.pools.flatMap(({ name, sources }) =>
    sources
      .filter(({ address }) => shared.has(address))
      .map((source) => ({ pools: [name], view: index.viewOf(name), source })),
  );
  const byAddress = Map.groupBy(holders, (holder) => holder.source.address);
  return [...byAddress].map(([about, group]) => ({ about, holders: group }));
}

/** Nearly every address is of one source alone, and there are a hundred thousand. */
function addressesOfSeveral({ pools }: EgressConfig): ReadonlySet<string> {
  const once = new Set<string>();
  const several = new Set<string>();
  for (const { sources } of pools) {
    for (const { address } of sources) {
      if (once.has(address)) several.add(address);
      else once.add(address);
    }
  }
  return several;
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
  { views, sharings, compared }: Kin,
  bases: ReadonlyMap<PolicyView, BasePolicy>,
  probe: Probe,
  comparison: BoundComparison,
  remarks: Map<string, Remark[]>,
): void {
  const ofSource = sharings[0]?.about !== '';
  const counters = new Map<string, Map<PolicyView, EffectiveLimit>>();
  for (const view of views) {
    const policy = bases.get(view)?.policy;
    for (const limit of policy?.limits ?? []) {
      if (limit.per.includes('Pool') || limit.per.includes('Source') !== ofSource) continue;
      // In another Group the counter that names it is another one; so it is with another `per`.
      const group = limit.per.includes('Group') ? policy?.group : '';
      const counter = `${limit.name} ${limit.per.join()} ${group}`;
      const known = counters.get(counter);
      if (known === undefined) counters.set(counter, new Map([[view, limit]]));
      else known.set(view, limit);
    }
  }
  for (const limits of counters.values()) {
    const [first] = limits.values();
    if (first?.overrides.length === 0 && [...limits.values()].every((limit) => limit === first)) continue;
    const key = views.map((view) => comparison.numberOf(limits.get(view))).join();
    if (compared.has(key)) continue;
    compared.add(key);
    for (const sharing of sharings) compareHolders(sharing, limits, probe, comparison, remarks);
  }
}

function compareHolders(
  { about, holders }: Sharing,
  limits: ReadonlyMap<PolicyView, EffectiveLimit>,
  probe: Probe,
  comparison: BoundComparison,
  remarks: Map<string, Remark[]>,
): void {
  const held = holders.flatMap((holder) => {
    const limit = limits.get(holder.view);
    return limit === undefined ? [] : [{ holder, limit }];
  });
  for (const { holder, limit } of held) {
    const rival = held.find((other) => other.holder !== holder && !comparison.alike(holder, limit, other));
    if (rival === undefined) continue;
    const what = about === '' ? `Limit "${limit.name}"` : `Limit "${limit.name}" of ${about}`;
    const sentence = `${what} is set differently by EgressPool "${rival.holder.pools[0]}" for ${probe.where}; the smaller bound applies.`;
    for (const pool of holder.pools) addRemark(remarks, pool, { reason: 'BoundsDiffer', sentence });
  }
}

/** Compares limits as sources meet them, and remembers what each came to. */
class BoundComparison {
  readonly #numbers = new Map<EffectiveLimit | undefined, number>();
  readonly #seen = new Map<EffectiveLimit, Map<SourceConfig | undefined, string>>();

  /** Equal numbers, equal objects. */
  numberOf(limit: EffectiveLimit | undefined): number {
    let number = this.#numbers.get(limit);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(limit, number);
    }
    return number;
  }

  alike(
    holder: Holder,
    limit: EffectiveLimit,
    other: { readonly holder: Holder; readonly limit: EffectiveLimit },
  ): boolean {
    const { source } = other.holder;
    if (limit === other.limit && (limit.overrides.length === 0 || holder.source === source)) return true;
    return this.#boundsSeenBy(limit, holder.source) === this.#boundsSeenBy(other.limit, source);
  }

  #boundsSeenBy(limit: EffectiveLimit, source: SourceConfig | undefined): string {
    let seen = this.#seen.get(limit);
    if (seen === undefined) {
      seen = new Map();
      this.#seen.set(limit, seen);
    }
    let bounds = seen.get(source);
    if (bounds === undefined) {
      bounds = boundsSeenBy(limit, source);
      seen.set(source, bounds);
    }
    return bounds;
  }
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
