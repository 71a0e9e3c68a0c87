import { parseDuration } from './duration.ts';
import type { LimitField, Rate, SessionTimeouts, When } from './effective-policy.ts';
import type { Layer, LayerLimit, PolicyConfig } from './egress-config.ts';
import { byName, byText, sortedSet } from './order.ts';
import { present } from './present.ts';
import { parseRate } from './rate.ts';
import {
  type LayerSpec,
  LIMIT_FIELDS,
  type LimitSpec,
  type ShapingPolicy,
  type WhenSpec,
} from './shaping-policy.ts';

type SessionSpec = NonNullable<LayerSpec['session']>;
type BoundsSpec = Pick<
  LimitSpec,
  'connections' | 'connectionRate' | 'recipientRate' | 'messageRate' | 'byteRate' | 'burst'
>;

/** One policy as the pods run it: its layers with durations in milliseconds and rates as counts. */
export function compilePolicy(policy: ShapingPolicy): PolicyConfig {
  const { priority, targetRefs, destinations } = policy.spec;
  return present({
    name: policy.metadata.name,
    priority,
    pools: sortedSet(targetRefs?.map((target) => target.name)),
    default: policy.spec.default === undefined ? undefined : compileLayer(policy.spec.default),
    destinations: (destinations ?? [])
      .map((destination) => ({
        name: destination.name,
        match: present({
          domains: sortedSet(destination.match?.domains),
          domainSuffixes: sortedSet(destination.match?.domainSuffixes),
          mxSuffixes: sortedSet(destination.match?.mxSuffixes),
        }),
        ...compileLayer(destination),
      }))
      .toSorted(byName),
  });
}

/** Order in which policies merge inside a layer, the later wins: without targets first, low priority first, then by name. */
export function byMergeOrder(a: PolicyConfig, b: PolicyConfig): number {
  const targets = Number(a.pools !== undefined) - Number(b.pools !== undefined);
  return targets || a.priority - b.priority || byText(a.name, b.name);
}

function compileLayer(layer: LayerSpec): Layer {
  const { session, retry, limits } = layer;
  return present({
    session: session === undefined ? undefined : compileSession(session),
    retry:
      retry === undefined
        ? undefined
        : present({
            delaysMs: retry.delays?.map(milliseconds),
            expireAfterMs: optionalMilliseconds(retry.expireAfter),
          }),
    limits: limits?.map(compileLimit).toSorted(byName),
  });
}

function compileSession(session: SessionSpec): NonNullable<Layer['session']> {
  return present({
    messagesPerConnection: session.messagesPerConnection,
    recipientsPerTransaction: session.recipientsPerTransaction,
    idleTimeoutMs: optionalMilliseconds(session.idleTimeout),
    timeouts: session.timeouts === undefined ? undefined : compileTimeouts(session.timeouts),
    tls: session.tls,
  });
}

function compileTimeouts(timeouts: NonNullable<SessionSpec['timeouts']>): Partial<SessionTimeouts> {
  return present({
    connectMs: optionalMilliseconds(timeouts.connect),
    greetingMs: optionalMilliseconds(timeouts.greeting),
    ehloMs: optionalMilliseconds(timeouts.ehlo),
    startTlsMs: optionalMilliseconds(timeouts.startTls),
    authMs: optionalMilliseconds(timeouts.auth),
    mailMs: optionalMilliseconds(timeouts.mail),
    rcptMs: optionalMilliseconds(timeouts.rcpt),
    dataMs: optionalMilliseconds(timeouts.data),
    dataBlockMs: optionalMilliseconds(timeouts.dataBlock),
    finalDotMs: optionalMilliseconds(timeouts.finalDot),
    rsetMs: optionalMilliseconds(timeouts.rset),
    quitMs: optionalMilliseconds(timeouts.quit),
  });
}

function compileLimit(limit: LimitSpec): LayerLimit {
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

function compileBounds(bounds: BoundsSpec): LayerLimit['bounds'] {
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

function optionalMilliseconds(text: string | undefined): number | undefined {
  return text === undefined ? undefined : milliseconds(text);
}

function milliseconds(text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs === undefined) throw new TypeError(`the schema accepted the duration ${text}`);
  return durationMs;
}
