import type { Bounds, Rate } from '@sluice/crds';

/** A bound of a limit: what a refusal names. */
export type BoundName = 'connections' | RateName;

/** The bounds that are rates. */
export type RateName = 'connectionRate' | 'recipientRate' | 'messageRate' | 'byteRate';

/** Rates that one MAIL spends. */
export const TRANSACTION_RATES = ['recipientRate', 'messageRate', 'byteRate'] as const;

/** Every rate that a limit may have. */
export const RATE_NAMES = ['connectionRate', ...TRANSACTION_RATES] as const;

/** One limit resolved for one set of `per` values. Its identity is (limit name, `per` values); two pods build the same text. */
export interface LimitKey {
  /** `source-site|Source=192.0.2.10|Site=mx.example`, values percent-encoded where they contain `|`, `=` or `%`. */
  readonly id: string;
  readonly limitName: string;
  readonly scope: 'Cluster' | 'Pod';
  readonly bounds: Bounds;
  /** Group, else site, else '' (a broad key): the shard that leads this key. */
  readonly shard: string;
  /**
   * Number of the configuration that resolved it, rising: an older one never replaces the bounds of a newer one. Absent = what is shown
   * last applies. A key set that was shown once is not looked at again, so that lanes of an old configuration do no harm either way.
   */
  readonly generation?: number;
}

/** Keys that one attempt must satisfy, interned once per (unit, source, MX host) and reused for every message. */
export interface KeySet {
  readonly keys: readonly LimitKey[];
}

/** Bounds in force for a key and the generation they come from. */
export interface BoundsInForce {
  readonly bounds: Bounds;
  readonly generation: number | undefined;
}

/**
 * What applies after `presented` was shown for a key whose bounds were `current`: the newest. Returns `current` itself if nothing changes.
 * (Where two pools bind one identity differently, `boundsFor` of crds has already taken the smaller bound for both.)
 *
 * Example: after generation 5, one of 4 changes nothing (a lane that still works by the old configuration) and one of 6 applies.
 */
export function boundsInForce(current: BoundsInForce, presented: BoundsInForce): BoundsInForce {
  if (current.generation !== undefined && presented.generation !== undefined) {
    if (presented.generation < current.generation) return current;
  }
  const generation = presented.generation ?? current.generation;
  if (generation === current.generation && sameBounds(current.bounds, presented.bounds)) return current;
  return { bounds: presented.bounds, generation };
}

/** Whether the two allow the same. */
function sameBounds(one: Bounds, other: Bounds): boolean {
  if (one === other) return true;
  return (
    one.connections === other.connections &&
    one.burst === other.burst &&
    RATE_NAMES.every((name) => sameRate(one[name], other[name]))
  );
}

function sameRate(one: Rate | undefined, other: Rate | undefined): boolean {
  return one?.count === other?.count && one?.periodMs === other?.periodMs;
}
