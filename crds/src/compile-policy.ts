import { compileLimit } from './compile-limit.ts';
import { compileReaction } from './compile-reaction.ts';
import { milliseconds } from './duration.ts';
import type { SessionTimeouts } from './effective-policy.ts';
import type { Layer, PolicyConfig } from './egress-config.ts';
import { byName, byText, sortedSet } from './order.ts';
import { present } from './present.ts';
import type { LayerSpec, ShapingPolicy } from './shaping-policy.ts';

type SessionSpec = NonNullable<LayerSpec['session']>;

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
  const { session, retry, limits, reactions } = layer;
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
    reactions: reactions?.map(compileReaction).toSorted(byName),
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

function optionalMilliseconds(text: string | undefined): number | undefined {
  return text === undefined ? undefined : milliseconds(text);
}
