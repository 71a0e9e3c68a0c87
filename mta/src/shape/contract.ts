import type { Bounds } from '@sluice/crds';
import type { LookedKey } from './key-view.ts';
import type { BoundName, KeySet, LimitKey } from './limit-key.ts';

/**
 * Shape as the dispatcher sees it. `take…` is synchronous and spends what this pod holds; what is missing is
 * demanded from the allocator (called in-process, or over NATS later) and the waiter is woken when it may try again.
 *
 * All times are milliseconds of one monotonic clock, handed in by the caller.
 */

/** Who waits: a lane and source that wants a connection, or a unit that wants tokens. Compared by identity. */
export interface Waiter {
  /** Higher goes first. */
  readonly priority: number;
  /** Monotonic time since which the oldest demand behind it waits. */
  readonly since: number;
  /**
   * Called once when it may try again; never from inside a `take…`. What it waits for is kept for it for a moment (100 ms): it should
   * take it, or be cancelled.
   */
  readonly wake: (nowMs: number) => void;
}

export interface Refusal {
  readonly granted: false;
  readonly key: LimitKey;
  readonly bound: BoundName;
  /** Earliest time at which it can succeed if nobody else takes it; `undefined` = when something comes back. */
  readonly retryAtMs: number | undefined;
}

/** Slots of one connection; released exactly once (a repeated release is ignored). */
export interface ConnectionGrant {
  readonly granted: true;
  readonly id: string;
  readonly keys: KeySet;
}

export interface TransactionCost {
  readonly recipients: number;
  readonly sizeBytes: number;
}

export interface Shaper {
  /** Slots (`connections`) and one `connectionRate` token of every key: all or nothing. On refusal the waiter is registered. */
  takeConnection(keys: KeySet, waiter: Waiter, nowMs: number): ConnectionGrant | Refusal;
  /** Tokens for one MAIL of every key: all or nothing. On refusal the waiter is registered. */
  takeTransaction(
    keys: KeySet,
    cost: TransactionCost,
    waiter: Waiter,
    nowMs: number,
  ): { readonly granted: true } | Refusal;
  release(grant: ConnectionGrant, nowMs: number): void;
  /** Forgets a waiter (its lane is empty, the message expired). */
  cancel(waiter: Waiter): void;
  /**
   * Changes the bounds of a key in use, whatever generation they come from. Usually not needed: a `LimitKey` of a newer generation with the
   * same id does the same. Lowered slots drain as they are released; who can go under raised bounds is woken.
   */
  updateBounds(keyId: string, bounds: Bounds, nowMs: number): void;
  /** Time at which `advance` has something to do (it may have passed already); `undefined` = only when something is released. */
  nextWakeAtMs(): number | undefined;
  /** Wakes every waiter whose time has come. */
  advance(nowMs: number): void;
  /** For `explain`: what is held of a key here, and what its allocator knows if that is here. Changes nothing. */
  look(key: LimitKey, nowMs: number): LookedKey;
  /** For `explain`, metrics and the demo's table: what this pod holds of a key now. */
  inspect(
    keyId: string,
    nowMs: number,
  ): { readonly connections: number; readonly waiting: number } | undefined;
}
