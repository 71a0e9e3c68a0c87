import { DEFAULT_RETRY, DEFAULT_SESSION } from './defaults.ts';
import type {
  Bounds,
  EffectiveLimit,
  EffectivePolicy,
  EffectiveReaction,
  EffectiveSession,
  LimitField,
  When,
} from './effective-policy.ts';
import type { Layer, LayerBounds, LayerLimit, LayerReaction } from './egress-config.ts';
import type { LimitIntern } from './limit-intern.ts';
import { byName } from './order.ts';
import { whenFields } from './when.ts';

/** What the layers together say, defaults filled in. Group and rivals are added by who knows them. */
export type MergedLayers = Omit<EffectivePolicy, 'group'>;

/**
 * Merges layers, the later wins: objects by field, named lists by name, plain lists and `overrides` whole. `Unlimited` takes
 * a bound back, `state: Disabled` takes the limit out. A limit that no layer gives a `per` is left out: it has no counter.
 * Equal layers give the same limit object as long as `intern` is the same.
 */
export function mergeLayers(layers: readonly Layer[], intern: LimitIntern): MergedLayers {
  let session = DEFAULT_SESSION;
  let retry = DEFAULT_RETRY;
  const parts = new Map<string, LayerLimit[]>();
  const reactions = new Map<string, LayerReaction>();
  for (const layer of layers) {
    if (layer.session !== undefined) session = mergeSession(session, layer.session);
    if (layer.retry !== undefined) retry = { ...retry, ...layer.retry };
    for (const limit of layer.limits ?? []) {
      const wider = parts.get(limit.name);
      if (wider === undefined) parts.set(limit.name, [limit]);
      else wider.push(limit);
    }
    for (const reaction of layer.reactions ?? []) {
      reactions.set(reaction.name, mergeReaction(reactions.get(reaction.name), reaction));
    }
  }
  const limits = [...parts.values()].map((group) => intern.of(group, mergeLimits));
  return {
    session,
    retry,
    limits: limits.filter((limit) => limit !== undefined).toSorted(byName),
    reactions: [...reactions.values()].flatMap(effectiveReaction).toSorted(byName),
  };
}

function mergeLimits(parts: readonly LayerLimit[]): EffectiveLimit | undefined {
  const [first, ...narrower] = parts;
  return first === undefined ? undefined : effectiveLimit(narrower.reduce(mergeLimit, first));
}

function mergeReaction(lower: LayerReaction | undefined, upper: LayerReaction): LayerReaction {
  if (lower === undefined) return upper;
  const match =
    lower.match && upper.match ? { ...lower.match, ...upper.match } : (upper.match ?? lower.match);
  return { ...lower, ...upper, ...(match && { match }) };
}

/** A reaction without match never hits, and one without actions does nothing. */
function effectiveReaction(reaction: LayerReaction): readonly EffectiveReaction[] {
  const { name, state, match, trigger, actions } = reaction;
  if (state === 'Disabled' || match === undefined || actions === undefined) return [];
  return [{ name, match, ...(trigger && { trigger }), actions }];
}

function mergeSession(lower: EffectiveSession, upper: NonNullable<Layer['session']>): EffectiveSession {
  return {
    ...lower,
    ...upper,
    timeouts: { ...lower.timeouts, ...upper.timeouts },
    tls: { ...lower.tls, ...upper.tls },
  };
}

/**
 * Whether a layer takes part in a limit: not if it asks about what the `per` that it refines does not name. The counter could not
 * tell its mail apart, and its bounds were not meant for everything else.
 */
export function refines(per: readonly LimitField[] | undefined, upper: LayerLimit): boolean {
  return per === undefined || upper.per !== undefined || asksWithin(upper.when ?? {}, per);
}

function asksWithin(when: When, per: readonly LimitField[]): boolean {
  return whenFields(when).every(({ field }) => per.includes(field));
}

/** A layer may have narrowed `per` under the `when` of a wider one: the limit is then about everything that its counter keeps. */
function askedWithin(when: When | undefined, per: readonly LimitField[]): When | undefined {
  if (when === undefined || asksWithin(when, per)) return when;
  const left: When = Object.fromEntries(
    Object.entries(when).filter(([member]) => asksWithin({ [member]: [] }, per)),
  );
  return Object.keys(left).length === 0 ? undefined : left;
}

function mergeLimit(lower: LayerLimit, upper: LayerLimit): LayerLimit {
  if (!refines(lower.per, upper)) return lower;
  const when = mergeWhen(lower.when, upper.when);
  return {
    ...lower,
    ...upper,
    bounds: { ...lower.bounds, ...upper.bounds },
    ...(when === undefined ? {} : { when }),
  };
}

function mergeWhen(lower: When | undefined, upper: When | undefined): When | undefined {
  if (lower === undefined || upper === undefined) return upper ?? lower;
  return {
    ...lower,
    ...upper,
    ...(upper.sourceSelector && { sourceSelector: { ...lower.sourceSelector, ...upper.sourceSelector } }),
    ...(upper.tenantSelector && { tenantSelector: { ...lower.tenantSelector, ...upper.tenantSelector } }),
  };
}

function effectiveLimit(limit: LayerLimit): EffectiveLimit | undefined {
  const { name, state, per, scope, overrides } = limit;
  if (state === 'Disabled' || per === undefined) return undefined;
  const when = askedWithin(limit.when, per);
  const bounds = boundsThatBind(limit.bounds);
  // A layer may have narrowed `per` under the overrides of a wider one: what the counter cannot tell apart must not bind it.
  const told = overrides?.filter((override) => asksWithin(override.when, per));
  const resolved = (told ?? []).map((override) => ({
    name: override.name,
    when: override.when,
    bounds: boundsThatBind({ ...limit.bounds, ...override.bounds }),
  }));
  if (![bounds, ...resolved.map((override) => override.bounds)].some(bindsAnything)) return undefined;
  return {
    name,
    per,
    scope: scope ?? 'Cluster',
    ...(when === undefined ? {} : { when }),
    bounds,
    overrides: resolved,
  };
}

function boundsThatBind(bounds: LayerBounds): Bounds {
  const { connections, connectionRate, recipientRate, messageRate, byteRate, burst } = bounds;
  return {
    ...(connections === undefined || connections === 'Unlimited' ? {} : { connections }),
    ...(connectionRate === undefined || connectionRate === 'Unlimited' ? {} : { connectionRate }),
    ...(recipientRate === undefined || recipientRate === 'Unlimited' ? {} : { recipientRate }),
    ...(messageRate === undefined || messageRate === 'Unlimited' ? {} : { messageRate }),
    ...(byteRate === undefined || byteRate === 'Unlimited' ? {} : { byteRate }),
    ...(burst === undefined || burst === 'Unlimited' ? {} : { burst }),
  };
}

/** `burst` alone bounds nothing. */
export function bindsAnything(bounds: Bounds): boolean {
  return (
    bounds.connections !== undefined ||
    bounds.connectionRate !== undefined ||
    bounds.recipientRate !== undefined ||
    bounds.messageRate !== undefined ||
    bounds.byteRate !== undefined
  );
}
