import { type Classification, classify } from './classify.ts';
import { indexOf } from './config-index.ts';
import { DEFAULT_RETRY, DEFAULT_SESSION } from './defaults.ts';
import { longestSuffix, normalDomain, suffixesOf } from './domain-name.ts';
import { effectivePolicy } from './effective.ts';
import type { EffectiveLimit, EffectivePolicy, EffectiveReaction } from './effective-policy.ts';
import type { EgressConfig, Layer, LayerLimit, LayerReaction } from './egress-config.ts';
import { refines } from './merge.ts';
import { byText } from './order.ts';
import type { ClaimKind, Destination, PolicyView } from './policy-view.ts';

/** Who says a thing: a layer of a policy, or nobody, then it is built in. */
export interface Origin {
  /** Name of the ShapingPolicy; `''` = built in. */
  readonly policy: string;
  /** The wider ones come first. */
  readonly layer: 'BuiltIn' | 'Default' | 'Group' | 'DomainSuffix' | 'Domain';
  /** Name of the destination entry; `''` in the default layer and for what is built in. */
  readonly destination: string;
}

/** One field, its value as the configuration has it (durations in milliseconds), and who says so. */
export interface ExplainedField {
  /** Path in the configuration: `session.timeouts.connectMs`, `bounds.connections`, `when.tenantSelector.plan`. */
  readonly field: string;
  readonly value: unknown;
  readonly from: Origin;
}

export interface ExplainedLimit {
  /** As `effectivePolicy` has it. */
  readonly limit: EffectiveLimit;
  /** `per`, `scope`, `when.*`, `bounds.*` (`'Unlimited'` = a narrower layer took it back) and `overrides`. */
  readonly fields: readonly ExplainedField[];
  /** The list of overrides in force as its layer states it, bounds of the limit not filled in; absent = no layer has one. */
  readonly overrides?: { readonly stated: NonNullable<LayerLimit['overrides']>; readonly from: Origin };
}

export interface ExplainedReaction {
  /** As `effectivePolicy` has it. */
  readonly reaction: EffectiveReaction;
  /** `match.*`, `trigger` and `actions`. */
  readonly fields: readonly ExplainedField[];
}

/** A limit that layers name and that binds nothing in the end. */
export interface RemovedLimit {
  readonly name: string;
  /** `Disabled`: a layer says so. `NoCounter`: none gives a `per`. `NoBound`: every bound is `Unlimited` or absent. */
  readonly reason: 'Disabled' | 'NoCounter' | 'NoBound';
  /** The layer that disabled it, else the narrowest that names it. */
  readonly from: Origin;
}

/** The destination that a domain belongs to in one layer, and the claims that made it so. */
export interface ExplainedDestination {
  readonly name: string;
  readonly layer: 'Group' | 'DomainSuffix' | 'Domain';
  readonly claim: ClaimKind;
  /** The claims that hold: the domain, the suffix, or the suffixes of the MX hosts. */
  readonly values: readonly string[];
}

export interface PolicyExplanation {
  readonly policy: EffectivePolicy;
  /** Widest first. */
  readonly destinations: readonly ExplainedDestination[];
  /** Every option of `session` and `retry`. */
  readonly options: readonly ExplainedField[];
  readonly limits: readonly ExplainedLimit[];
  readonly removed: readonly RemovedLimit[];
  readonly reactions: readonly ExplainedReaction[];
}

interface StatedLayer {
  readonly layer: Layer;
  readonly from: Origin;
}

const BUILT_IN: Origin = { policy: '', layer: 'BuiltIn', destination: '' };

/**
 * What `effectivePolicy` answers for the same arguments, with the policy and layer that each value comes from. Values are
 * read from the layers themselves; a test compares them with `effectivePolicy` over all golden configurations. Pure.
 *
 * Example: `explainPolicy(config, 'shared-a', 'gmail.com', hosts).options[0]` →
 * `{ field: 'session.messagesPerConnection', value: 50, from: { policy: 'providers', layer: 'Group', destination: 'google' } }`
 *
 * @param hosts names of the best-preference MX hosts; empty = none is known
 */
export function explainPolicy(
  config: EgressConfig,
  pool: string,
  domain: string,
  hosts: readonly string[],
): PolicyExplanation {
  const name = normalDomain(domain);
  const mxHosts = hosts.map(normalDomain);
  const view = indexOf(config).viewOf(pool);
  const classification = classify(view, name, mxHosts);
  const layers = statedLayers(view, classification);
  const policy = effectivePolicy(config, pool, domain, hosts);
  const parts = limitParts(layers);
  return {
    policy,
    destinations: explainDestinations(view, classification, name, mxHosts),
    options: explainOptions(layers),
    limits: policy.limits.map((limit) => explainLimit(limit, parts.get(limit.name) ?? [])),
    removed: [...parts]
      .filter(([key]) => policy.limits.every((limit) => limit.name !== key))
      .map(([key, stated]) => removedLimit(key, stated))
      .toSorted((a, b) => byText(a.name, b.name)),
    reactions: policy.reactions.map((reaction) => explainReaction(reaction, layers)),
  };
}

/** The layers that apply, in the order in which they merge, each with who states it. */
function statedLayers(view: PolicyView, { group, suffix, domain }: Classification): readonly StatedLayer[] {
  const defaults = view.policies.flatMap((policy): readonly StatedLayer[] => {
    const from = { policy: policy.name, layer: 'Default', destination: '' } as const;
    return policy.default === undefined ? [] : [{ layer: policy.default, from }];
  });
  const of = (destination: Destination | undefined, kind: ExplainedDestination['layer']) =>
    (destination?.layers ?? []).map((layer) => {
      const owner = view.policies.find((policy) => policy.destinations.some((entry) => entry === layer));
      return {
        layer,
        from: { policy: owner?.name ?? '', layer: kind, destination: destination?.name ?? '' },
      };
    });
  return [...defaults, ...of(group, 'Group'), ...of(suffix, 'DomainSuffix'), ...of(domain, 'Domain')];
}

function explainDestinations(
  view: PolicyView,
  { group, suffix, domain }: Classification,
  name: string,
  hosts: readonly string[],
): readonly ExplainedDestination[] {
  const bySuffix = longestSuffix(
    name,
    new Map([...view.claims.domainSuffixes.keys()].map((key) => [key, key])),
  );
  const found: ExplainedDestination[] = [];
  const add = (
    destination: Destination,
    layer: ExplainedDestination['layer'],
    claim: ClaimKind,
    values: readonly string[],
  ) => found.push({ name: destination.name, layer, claim, values });
  if (group !== undefined) {
    const { domains, domainSuffixes, mxSuffixes } = view.claims;
    if (domains.get(name) === group) add(group, 'Group', 'domains', [name]);
    else if (bySuffix !== undefined && domainSuffixes.get(bySuffix) === group)
      add(group, 'Group', 'domainSuffixes', [bySuffix]);
    else {
      const held = hosts.map((host) => suffixesOf(host).find((parent) => mxSuffixes.get(parent) === group));
      add(group, 'Group', 'mxSuffixes', [...new Set(held.filter((parent) => parent !== undefined))]);
    }
  }
  if (suffix !== undefined && bySuffix !== undefined)
    add(suffix, 'DomainSuffix', 'domainSuffixes', [bySuffix]);
  if (domain !== undefined) add(domain, 'Domain', 'domains', [name]);
  return found;
}

function explainOptions(layers: readonly StatedLayer[]): readonly ExplainedField[] {
  const fields = new Map<string, ExplainedField>();
  state(fields, 'session', DEFAULT_SESSION, BUILT_IN);
  state(fields, 'retry', DEFAULT_RETRY, BUILT_IN);
  for (const { layer, from } of layers) {
    state(fields, 'session', layer.session, from);
    state(fields, 'retry', layer.retry, from);
  }
  return [...fields.values()];
}

interface StatedLimit {
  readonly limit: LayerLimit;
  readonly from: Origin;
}

function limitParts(layers: readonly StatedLayer[]): ReadonlyMap<string, readonly StatedLimit[]> {
  const stated = layers.flatMap(({ layer, from }) => (layer.limits ?? []).map((limit) => ({ limit, from })));
  return Map.groupBy(stated, ({ limit }) => limit.name);
}

function explainLimit(effective: EffectiveLimit, parts: readonly StatedLimit[]): ExplainedLimit {
  const fields = new Map<string, ExplainedField>();
  state(fields, 'scope', 'Cluster', BUILT_IN);
  const binding: StatedLimit[] = [];
  let per: StatedLimit['limit']['per'];
  for (const part of parts) {
    if (!refines(per, part.limit)) continue;
    binding.push(part);
    per = part.limit.per ?? per;
  }
  for (const { limit, from } of binding) {
    state(fields, 'per', limit.per, from);
    state(fields, 'scope', limit.scope, from);
    state(fields, 'when', limit.when, from);
    // A rate is an object and one value all the same.
    for (const [bound, value] of Object.entries(limit.bounds)) {
      const field = `bounds.${bound}`;
      fields.set(field, { field, value, from });
    }
    state(fields, 'overrides', limit.overrides, from);
  }
  const last = binding.findLast(({ limit }) => limit.overrides !== undefined);
  const stated = last?.limit.overrides;
  return {
    limit: effective,
    // A member of `when` that the `per` in force does not name is not in force either.
    fields: [...fields.values()].filter(({ field }) => {
      const [top, member = ''] = field.split('.');
      return top !== 'when' || Object.hasOwn(effective.when ?? {}, member);
    }),
    ...(last === undefined || stated === undefined ? {} : { overrides: { stated, from: last.from } }),
  };
}

function removedLimit(name: string, parts: readonly StatedLimit[]): RemovedLimit {
  const last = parts.at(-1)?.from ?? BUILT_IN;
  const stateGiven = parts.findLast(({ limit }) => limit.state !== undefined);
  if (stateGiven?.limit.state === 'Disabled') return { name, reason: 'Disabled', from: stateGiven.from };
  const hasCounter = parts.some(({ limit }) => limit.per !== undefined);
  return { name, reason: hasCounter ? 'NoBound' : 'NoCounter', from: last };
}

function explainReaction(reaction: EffectiveReaction, layers: readonly StatedLayer[]): ExplainedReaction {
  const fields = new Map<string, ExplainedField>();
  for (const { layer, from } of layers) {
    const stated: LayerReaction | undefined = layer.reactions?.find(({ name }) => name === reaction.name);
    state(fields, 'match', stated?.match, from);
    // It replaces whole.
    if (stated?.trigger !== undefined)
      fields.set('trigger', { field: 'trigger', value: stated.trigger, from });
    state(fields, 'actions', stated?.actions, from);
  }
  return { reaction, fields: [...fields.values()] };
}

/** Records every leaf of a value; lists are leaves, because they replace whole. */
function state(fields: Map<string, ExplainedField>, field: string, value: unknown, from: Origin): void {
  if (value === undefined) return;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fields.set(field, { field, value, from });
    return;
  }
  for (const [member, inner] of Object.entries(value)) state(fields, `${field}.${member}`, inner, from);
}
