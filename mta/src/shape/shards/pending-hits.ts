import type { Hit } from '../hit-counting.ts';
import type { ShardOperation } from './shard-message.ts';

/** A leader that has not answered for this long is not waited for: the pod counts by itself. */
export const COUNT_ALONE_AFTER_MS = 1_000;

/** Hits of one shard that wait for their answer; beyond it the oldest is given up. */
export const MAX_PENDING_HITS = 1_000;

export type HitOperation = Extract<ShardOperation, { type: 'hit' }>;

interface PendingHit {
  readonly hit: Hit;
  readonly atMs: number;
  readonly answer: (wentOff: boolean) => void;
}

/**
 * Hits of this pod that the leader of a shard was told of and has not answered. Pure. Each is answered exactly once.
 *
 * A new leader is told of all that are not answered: what a former one had counted is lost, so none counts twice. Where there is no leader,
 * the pod goes by its own hits: if they alone are enough, all together are.
 */
export class PendingHits {
  /** In the order of their numbers, and of time. */
  readonly #pending = new Map<number, PendingHit>();
  #lastNumber = 0;

  get size(): number {
    return this.#pending.size;
  }

  /** Returns what the leader is to be told. */
  add(hit: Hit, nowMs: number, answer: (wentOff: boolean) => void): HitOperation {
    const number = ++this.#lastNumber;
    const pending = { hit, atMs: nowMs, answer };
    this.#pending.set(number, pending);
    if (this.#pending.size > MAX_PENDING_HITS) {
      const [oldest] = this.#pending.keys();
      if (oldest !== undefined) this.#answer(oldest, false);
    }
    return operationOf(number, pending, nowMs);
  }

  /** All that a new leader must be told. */
  retell(nowMs: number): readonly HitOperation[] {
    return [...this.#pending].map(([number, pending]) => operationOf(number, pending, nowMs));
  }

  /** The leader has counted all up to this number, and these made their triggers go off. */
  counted(upTo: number, wentOff: readonly number[]): void {
    for (const number of this.#pending.keys()) {
      if (number > upTo) break;
      this.#answer(number, wentOff.includes(number));
    }
  }

  /** No leader answers: what is old enough is counted here. */
  countAlone(nowMs: number): void {
    const [oldest] = this.#pending.values();
    if (oldest === undefined || nowMs - oldest.atMs < COUNT_ALONE_AFTER_MS) return;
    const byKey = new Map<string, number[]>();
    for (const [number, { hit, atMs }] of this.#pending) {
      if (atMs <= nowMs - hit.withinMs) {
        this.#answer(number, false);
        continue;
      }
      const numbers = byKey.get(hit.key) ?? [];
      numbers.push(number);
      byKey.set(hit.key, numbers);
    }
    for (const numbers of byKey.values()) {
      const last = numbers.at(-1) ?? 0;
      if (numbers.length < (this.#pending.get(last)?.hit.count ?? Number.POSITIVE_INFINITY)) continue;
      for (const number of numbers) this.#answer(number, number === last);
    }
  }

  /** Everything of this pod was cut off: what it heard before is not counted any more. */
  drop(): void {
    for (const number of this.#pending.keys()) this.#answer(number, false);
  }

  #answer(number: number, wentOff: boolean): void {
    const pending = this.#pending.get(number);
    this.#pending.delete(number);
    pending?.answer(wentOff);
  }
}

function operationOf(number: number, { hit, atMs }: PendingHit, nowMs: number): HitOperation {
  const { key, count, withinMs } = hit;
  return { type: 'hit', hit: number, key, count, withinMs, agoMs: nowMs - atMs };
}
