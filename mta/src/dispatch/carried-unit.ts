import { effectivePolicy, type Facts, type SourceConfig } from '@sluice/crds';
import type { UnitId, UnitKey } from '../queue/mod.ts';
import type { Waiter } from '../shape/mod.ts';
import type { Destination } from './destinations.ts';
import type { DispatchContext } from './dispatch-context.ts';
import type { Generation } from './generation.ts';
import { type AttemptKeys, attemptKeys, withHostLimits } from './limit-keys.ts';

/** What the dispatcher knows of a unit that has mail to send now: its destination, its limits, and its place in the line for them. */
export class CarriedUnit implements Waiter {
  readonly unit: UnitId;
  /** Identity of the unit: numbers are reused, keys are not. */
  readonly key: UnitKey;
  readonly destination: Destination;
  /** The configuration it was made for: another one makes it stale. */
  readonly generation: Generation;
  readonly priority: number;
  /** Wall time of acceptance of the entry that is offered now. */
  since = 0;
  readonly wake: () => void;
  /** Names of sources whose limit for this unit is exhausted; emptied when it is woken. */
  readonly refusedFor = new Set<string>();
  readonly #suspended = new Map<string, boolean>();
  readonly #context: DispatchContext;
  readonly #keys: Map<string, AttemptKeys>;

  constructor(
    unit: UnitId,
    key: UnitKey,
    destination: Destination,
    generation: Generation,
    context: DispatchContext,
    wake: () => void,
  ) {
    this.unit = unit;
    this.key = key;
    this.destination = destination;
    this.generation = generation;
    this.priority = context.classPriority(key.class);
    this.#context = context;
    this.wake = () => {
      this.refusedFor.clear();
      wake();
    };
    // Units come and go with every message of a quiet destination; what was resolved for their kind of traffic stays.
    const traffic = `${key.tenant}\n${key.campaign}\n${key.class}`;
    const known = destination.keys.get(traffic);
    this.#keys = known ?? new Map();
    if (known === undefined) destination.keys.set(traffic, this.#keys);
  }

  /** Limits of this unit through one source and host; built once, reused for every message. */
  keys(source: SourceConfig, mxHost: string): AttemptKeys {
    const id = `${source.name}\n${mxHost}`;
    const known = this.#keys.get(id);
    if (known !== undefined) return known;
    const keys = keysFor(this.generation, this.destination, this.facts(source, mxHost));
    this.#keys.set(id, keys);
    return keys;
  }

  /** What limits, reactions and directives are asked with. `mxHost` `''` = not chosen yet. */
  facts(source: SourceConfig, mxHost: string): Facts {
    return {
      pool: this.key.pool,
      sourceAddress: source.address,
      sourceName: source.name,
      sourceLabels: source.labels,
      site: this.destination.route.site,
      group: this.destination.policy.group,
      domain: this.key.domain,
      mxHost,
      tenant: this.key.tenant,
      tenantLabels: this.#context.tenantLabels(this.key.tenant),
      campaign: this.key.campaign,
      class: this.key.class,
    };
  }

  /** A directive says that nothing of this unit leaves from this source for now. */
  suspends(source: SourceConfig): boolean {
    const { directives } = this.generation;
    if (directives.directives.length === 0) return false;
    let suspended = this.#suspended.get(source.name);
    if (suspended === undefined) {
      suspended = directives.find('Suspend', this.facts(source, '')) !== undefined;
      this.#suspended.set(source.name, suspended);
    }
    return suspended;
  }

  /** This source cannot carry the unit now, although it carries others: a directive or a limit of its own says so. */
  barredFrom(source: SourceConfig): boolean {
    return this.refusedFor.has(source.name) || this.suspends(source);
  }
}

/** The limits of mail with these facts, those of a host of another Group included. */
export function keysFor(
  { config, number, directives }: Generation,
  { policy }: Destination,
  facts: Facts,
): AttemptKeys {
  const own = attemptKeys(policy.limits, facts, number, directives);
  if (facts.mxHost === '') return own;
  // Without a domain nothing but the host's name decides.
  const { group, limits } = effectivePolicy(config, facts.pool, '', [facts.mxHost]);
  if (group === '' || group === facts.group) return own;
  // Seen from that Group the host is a site of its own.
  const ofHost = { ...facts, group, site: facts.mxHost };
  return withHostLimits(own, attemptKeys(limits, ofHost, number, directives));
}
