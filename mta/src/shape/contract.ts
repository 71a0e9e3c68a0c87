import type { Bounds } from '@sluice/crds';

/**
 * Shape as the dispatcher sees it. `take…` is synchronous and spends what this pod holds; what is missing is
 * demanded from the allocator (called in-process, or over NATS later) and the waiter is woken when it may try again.
 *
 * All times are milliseconds of one monotonic clock, handed in by the caller.
 */

/** A bound of a limit: what a refusal names. */
export type BoundName = 'connections' | 'connectionRate' | 'recipientRate' | 'messageRate' | 'byteRate';

/** One limit resolved for one set of `per` values. Its identity is (limit name, `per` values); two pods build the same text. */
export interface LimitKey {
  /** `source-site|Source=192.0.2.10|Site=mx.example`, values percent-encoded where they contain `|`, `=` or `%`. */
  readonly id: string;
  readonly limitName: string;
  readonly scope: 'Cluster' | 'Pod';
  readonly bounds: Bounds;
  /** Group, else site, else '' (a broad key): the shard that leads this key. */
  readonly shard: string;
}

/** Keys that one attempt must satisfy, interned once per (unit, source, MX host) and reused for every message. */
export interface KeySet {
  readonly keys: readonly LimitKey[];
}

/** Who waits: a lane and source that wants a connection, or a unit that wants tokens. Compared by identity. */
export interface Waiter {
  /** Higher goes first. */
  readonly priority: number;
  /** Monotonic time since which the oldest demand behind it waits. */
  readonly since: number;
  /** Called when it may try again; never from inside a `take…` of the same waiter. */
  readonly wake: (nowMs: number) => void;
}

export interface Refusal {
  readonly granted: false;
  readonly key: LimitKey;
  readonly bound: BoundName;
  /** Earliest time at which it can succeed if nobody else takes it; `undefined` = when a slot comes back. */
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
  /** Time at which `advance` has something to do; `undefined` = only when something is released. */
  nextWakeAtMs(): number | undefined;
  /** Wakes every waiter whose time has come. */
  advance(nowMs: number): void;
  /** For `explain`, metrics and the demo's table: what is held of a key now. */
  inspect(
    keyId: string,
    nowMs: number,
  ): { readonly connections: number; readonly waiting: number } | undefined;
}
