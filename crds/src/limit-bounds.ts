import type { Bounds, EffectiveLimit, Facts, Rate } from './effective-policy.ts';
import { factOf } from './limit-key.ts';
import { bindsAnything } from './merge.ts';
import { slowerRate } from './rate.ts';
import { holds } from './when.ts';

/**
 * Bounds that a limit sets for a message. `undefined` = it does not apply: `when` does not hold, nothing is bounded, or
 * the message has no value for a field of `per` (no Group, no campaign, a host not chosen yet), so there is no counter for it.
 *
 * Example: a limit with `connections: 5` and an override `cold → 1` gives `{ connections: 1 }` for a source labelled cold.
 */
export function boundsFor(limit: EffectiveLimit, facts: Facts): Bounds | undefined {
  for (const field of limit.per) {
    if (factOf(field, facts) === '') return undefined;
  }
  const own = ownBounds(limit, facts);
  if (own === undefined) return undefined;
  const bounds = limit.rivals === undefined ? own : smallestBounds(own, limit.rivals, facts);
  return bindsAnything(bounds) ? bounds : undefined;
}

function ownBounds(limit: EffectiveLimit, facts: Facts): Bounds | undefined {
  if (limit.when !== undefined && !holds(limit.when, facts)) return undefined;
  for (const override of limit.overrides) {
    if (holds(override.when, facts)) return override.bounds;
  }
  return limit.bounds;
}

function smallestBounds(own: Bounds, rivals: NonNullable<EffectiveLimit['rivals']>, facts: Facts): Bounds {
  let bounds = own;
  for (const { pool, limit, sources } of rivals) {
    const source = sources?.get(facts.sourceAddress);
    if (sources !== undefined && source === undefined) continue;
    const seen: Facts = {
      ...facts,
      pool,
      sourceName: source?.name ?? facts.sourceName,
      sourceLabels: source?.labels ?? facts.sourceLabels,
    };
    const theirs = ownBounds(limit, seen);
    if (theirs !== undefined) bounds = smallerBounds(bounds, theirs);
  }
  return bounds;
}

/** Bound by bound the smaller of the two; absent is unlimited. */
function smallerBounds(a: Bounds, b: Bounds): Bounds {
  const connections = smallerNumber(a.connections, b.connections);
  const connectionRate = smallerRate(a.connectionRate, b.connectionRate);
  const recipientRate = smallerRate(a.recipientRate, b.recipientRate);
  const messageRate = smallerRate(a.messageRate, b.messageRate);
  const byteRate = smallerRate(a.byteRate, b.byteRate);
  const burst = smallerNumber(a.burst, b.burst);
  return {
    ...(connections === undefined ? {} : { connections }),
    ...(connectionRate === undefined ? {} : { connectionRate }),
    ...(recipientRate === undefined ? {} : { recipientRate }),
    ...(messageRate === undefined ? {} : { messageRate }),
    ...(byteRate === undefined ? {} : { byteRate }),
    ...(burst === undefined ? {} : { burst }),
  };
}

function smallerNumber(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

function smallerRate(a: Rate | undefined, b: Rate | undefined): Rate | undefined {
  return a === undefined || b === undefined ? (a ?? b) : slowerRate(a, b);
}
