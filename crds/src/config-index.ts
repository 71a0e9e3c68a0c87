import { canonicalJson } from './canonical-json.ts';
import { type Classification, classify } from './classify.ts';
import type { EffectiveLimit, EffectivePolicy } from './effective-policy.ts';
import type { EgressConfig, PolicyConfig, SourceConfig } from './egress-config.ts';
import { LimitIntern } from './limit-intern.ts';
import { mergeLayers } from './merge.ts';
import { buildPolicyView, type PolicyView } from './policy-view.ts';

/** What one view comes to for one classification, without the rivals that other pools add. */
export interface BasePolicy {
  /** Number of this base in its index: equal numbers, equal policies. */
  readonly id: number;
  readonly policy: EffectivePolicy;
}

/** Another pool that may keep the same counters. */
export interface PoolRival {
  readonly pool: string;
  readonly view: PolicyView;
  /** Public addresses that both pools list → the other pool's source. */
  readonly shared: ReadonlyMap<string, SourceConfig>;
}

/**
 * Look-up structures of one configuration, built once and as far as they are asked for. All of it is derived, so it lives
 * beside the configuration, not in it.
 */
export class ConfigIndex {
  readonly #config: EgressConfig;
  readonly #views = new Map<string, PolicyView>();
  readonly #viewOfPool = new Map<string, PolicyView>();
  readonly #rivalsOfPool = new Map<string, readonly PoolRival[]>();
  readonly #bases = new Map<PolicyView, Map<string, BasePolicy>>();
  readonly #intern = new LimitIntern();
  readonly #prints = new WeakMap<EffectiveLimit, string>();
  /** Finished policies by pool and bases; kept by `effectivePolicy`. */
  readonly finished = new Map<string, EffectivePolicy>();
  #nextBase = 0;

  constructor(config: EgressConfig) {
    this.#config = config;
  }

  viewOf(pool: string): PolicyView {
    let view = this.#viewOfPool.get(pool);
    if (view === undefined) {
      view = this.#viewFor(this.#config.policies.filter((policy) => appliesTo(policy, pool)));
      this.#viewOfPool.set(pool, view);
    }
    return view;
  }

  #viewFor(policies: readonly PolicyConfig[]): PolicyView {
    const signature = policies.map((policy) => policy.name).join(' ');
    let view = this.#views.get(signature);
    if (view === undefined) {
      view = buildPolicyView(policies);
      this.#views.set(signature, view);
    }
    return view;
  }

  /** Pools that could bind a counter of this pool differently: other policies, or the same address under other labels. */
  rivalsOf(pool: string): readonly PoolRival[] {
    let rivals = this.#rivalsOfPool.get(pool);
    if (rivals === undefined) {
      rivals = this.#findRivals(pool);
      this.#rivalsOfPool.set(pool, rivals);
    }
    return rivals;
  }

  #findRivals(pool: string): readonly PoolRival[] {
    const view = this.viewOf(pool);
    const own = this.#config.pools.find((candidate) => candidate.name === pool)?.sources ?? [];
    const byAddress = new Map(own.map((source) => [source.address, source]));
    const candidates = this.#config.pools.flatMap((other): readonly PoolRival[] => {
      if (other.name === pool) return [];
      const otherView = this.viewOf(other.name);
      const common = other.sources.filter((source) => {
        const mine = byAddress.get(source.address);
        return mine !== undefined && (otherView !== view || !sameToPolicies(mine, source));
      });
      return [{ pool: other.name, view: otherView, shared: new Map(common.map((s) => [s.address, s])) }];
    });
    // Without a common address one pool speaks for all to which the same policies apply.
    const sharing = candidates.filter((rival) => rival.shared.size > 0);
    const heard = new Set([view, ...sharing.map((rival) => rival.view)]);
    const others = candidates.filter((rival) => {
      if (heard.has(rival.view)) return false;
      heard.add(rival.view);
      return true;
    });
    return [...sharing, ...others];
  }

  /** The policy of a view for a domain, shared by all domains of the same classification. */
  baseFor(view: PolicyView, domain: string, hosts: readonly string[]): BasePolicy {
    return this.#baseOf(view, classify(view, domain, hosts));
  }

  #baseOf(view: PolicyView, classification: Classification): BasePolicy {
    const { group, suffix, domain } = classification;
    const key = `${group?.name ?? ''} ${suffix?.name ?? ''} ${domain?.name ?? ''}`;
    let bases = this.#bases.get(view);
    if (bases === undefined) {
      bases = new Map();
      this.#bases.set(view, bases);
    }
    let base = bases.get(key);
    if (base === undefined) {
      const layers = [group, suffix, domain].flatMap((destination) => destination?.layers ?? []);
      base = {
        id: this.#nextBase++,
        policy: { group: group?.name ?? '', ...mergeLayers([...view.defaults, ...layers], this.#intern) },
      };
      bases.set(key, base);
    }
    return base;
  }

  /** Canonical text of a limit: equal texts bind alike. */
  printOf(limit: EffectiveLimit): string {
    let print = this.#prints.get(limit);
    if (print === undefined) {
      print = canonicalJson(limit);
      this.#prints.set(limit, print);
    }
    return print;
  }
}

const INDEXES = new WeakMap<EgressConfig, ConfigIndex>();

/** The index of a configuration; remembered as long as the configuration lives. */
export function indexOf(config: EgressConfig): ConfigIndex {
  let index = INDEXES.get(config);
  if (index === undefined) {
    index = new ConfigIndex(config);
    INDEXES.set(config, index);
  }
  return index;
}

export function appliesTo(policy: PolicyConfig, pool: string): boolean {
  return policy.pools === undefined || policy.pools.includes(pool);
}

/** Whether no condition of a policy can tell two sources apart. */
export function sameToPolicies(a: SourceConfig, b: SourceConfig): boolean {
  return a.name === b.name && canonicalJson(a.labels) === canonicalJson(b.labels);
}
