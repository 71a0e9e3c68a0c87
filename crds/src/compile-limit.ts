import type { LimitField, Rate, When } from './effective-policy.ts';
import type { LayerLimit } from './egress-config.ts';
import { LIMIT_FIELDS, type LimitSpec, type WhenSpec } from './limit.ts';
import { sortedSet } from './order.ts';
import { present } from './present.ts';
import { parseRate } from './rate.ts';

type BoundsSpec = Pick<
  LimitSpec,
  'connections' | 'connectionRate' | 'recipientRate' | 'messageRate' | 'byteRate' | 'burst'
>;

/** One limit as the pods run it. */
export function compileLimit(limit: LimitSpec): LayerLimit {
  return present({
    name: limit.name,
    state: limit.state,
    per: limit.per === undefined ? undefined : inKeyOrder(limit.per),
    scope: limit.scope,
    when: limit.when === undefined ? undefined : compileWhen(limit.when),
    bounds: compileBounds(limit),
    overrides: limit.overrides?.map((override) => ({
      name: override.name,
      when: compileWhen(override.when),
      bounds: compileBounds(override),
    })),
  });
}

/** `per` in the order in which a counter's identity names its fields. */
export function inKeyOrder(per: readonly LimitField[]): readonly LimitField[] {
  return LIMIT_FIELDS.filter((field) => per.includes(field));
}

function compileWhen(when: WhenSpec): When {
  return present({
    pools: sortedSet(when.pools),
    sources: sortedSet(when.sources),
    sourceSelector: when.sourceSelector?.matchLabels,
    groups: sortedSet(when.groups),
    domains: sortedSet(when.domains),
    tenants: sortedSet(when.tenants),
    tenantSelector: when.tenantSelector?.matchLabels,
    campaigns: sortedSet(when.campaigns),
    classes: sortedSet(when.classes),
  });
}

/** Bounds with rates as counts per period. */
export function compileBounds(bounds: BoundsSpec): LayerLimit['bounds'] {
  return present({
    connections: bounds.connections,
    connectionRate: rateBound(bounds.connectionRate),
    recipientRate: rateBound(bounds.recipientRate),
    messageRate: rateBound(bounds.messageRate),
    byteRate: rateBound(bounds.byteRate),
    burst: bounds.burst,
  });
}

function rateBound(text: string | undefined): Rate | 'Unlimited' | undefined {
  if (text === undefined || text === 'Unlimited') return text;
  const rate = parseRate(text);
  if (rate === undefined) throw new TypeError(`the schema accepted the rate ${text}`);
  return rate;
}
