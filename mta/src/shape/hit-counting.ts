import { HitCounter, type HitTrigger } from './hit-counter.ts';

/**
 * What a trigger's going off comes to is obeyed everywhere within this time: replies to what began before that speak of the time before, and
 * are not counted again.
 */
export const SETTLE_MS = 1_000;

/** One hit of a trigger. */
export interface Hit extends HitTrigger {
  /** What is counted: the reaction and the values of its `per`; the same text on every pod. */
  readonly key: string;
  /** Group, else site, else '': as of limits. */
  readonly shard: string;
}

/** Counts hits for this pod, or for all pods. */
export interface HitCounting {
  /**
   * Whether the hit makes its trigger go off: at once, or when the leader of its shard has counted it. One of the hits of all pods does.
   *
   * Example: `await hits.hit({ key: 'tss04 source=192.0.2.10,site=mx.example', shard: 'yahoo', count: 5, withinMs: 3_600_000 }, nowMs)`
   */
  hit(hit: Hit, nowMs: number): boolean | Promise<boolean>;
}

/** Hits of this pod alone. */
export class OwnHits implements HitCounting {
  readonly #counter = new HitCounter({ settleMs: SETTLE_MS });

  hit(hit: Hit, nowMs: number): boolean {
    return this.#counter.hit(hit.key, hit, nowMs);
  }
}
