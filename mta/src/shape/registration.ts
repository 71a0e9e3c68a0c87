import type { Waiter } from './contract.ts';
import type { HeldKey } from './held-key.ts';
import type { HeldRate } from './held-rate.ts';
import { type InLine, rankMs } from './turn-order.ts';

/**
 * A waiter that was woken has this long to come for what is kept for it; nobody behind it can take it meanwhile. Then the next one is woken.
 * Long against a busy event loop, short against a slot that idles because its waiter has no mail any more.
 */
export const RESERVATION_MS = 100;

/**
 * One whose tokens come from several keys holds none while it waits for one of them. After this long it keeps those it finds, slowest
 * key first, because otherwise others could take them from it in turn for ever.
 */
export const KEEP_AFTER_MS = 5_000;

/** Slots granted while the waiter waits. */
export interface KeptSlots {
  readonly grant: number;
  readonly signature: string;
}

/** A waiter that was refused: where it waits, or what is kept for it. */
export class Registration implements InLine {
  readonly waiter: Waiter;
  readonly sequence: number;
  /** First refusal since it last got what it wanted. */
  readonly refusedAtMs: number;
  priority = 0;
  sinceMs = 0;
  rankMs = 0;
  /** Waits here for tokens: so many. */
  atRate: HeldRate | undefined;
  units = 0;
  /** Its demand for slots, `undefined` = none is open. */
  demand: number | undefined;
  demandSignature = '';
  atKey: HeldKey | undefined;
  slots: KeptSlots | undefined;
  readonly reserved = new Map<HeldRate, number>();
  /** After it was woken: when what is kept for it goes to others. */
  expiresAtMs = Number.POSITIVE_INFINITY;

  constructor(waiter: Waiter, sequence: number, nowMs: number) {
    this.waiter = waiter;
    this.sequence = sequence;
    this.refusedAtMs = nowMs;
    this.readTurn(nowMs);
  }

  /** Priority and age as the waiter has them now. Only while it is in no line. */
  readTurn(nowMs: number): void {
    const { priority, since } = this.waiter;
    this.priority = priority;
    // A lane without mail has no age: `since` may be Infinity.
    this.sinceMs = Math.min(since, nowMs);
    this.rankMs = rankMs(priority, this.sinceMs);
  }
}
