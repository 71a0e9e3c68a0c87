import type { ClientId } from './effect.ts';
import type { RateName } from './limit-key.ts';

/** One rate of a key as its allocator knows it: what nobody holds, and who holds the rest. */
export interface RateView {
  readonly rate: RateName;
  readonly ratePerMs: number;
  readonly burst: number;
  /** Tokens that nobody holds, as of now; below zero = debt. */
  readonly poolLevel: number;
  readonly holders: readonly {
    readonly client: ClientId;
    readonly ratePerMs: number;
    readonly capacity: number;
    /** A single turn of a slow rate. */
    readonly once: boolean;
  }[];
  /** Clients that want some. */
  readonly waiting: number;
}

/** A key as its allocator knows it. */
export interface KeyView {
  /** Absent = connections are not bounded. */
  readonly connections?: {
    readonly bound: number;
    /** Held, and claimed by one who waits for the rest. */
    readonly inUse: number;
    readonly holders: readonly { readonly client: ClientId; readonly count: number }[];
    /** Connections that are waited for. */
    readonly waiting: number;
  };
  readonly rates: readonly RateView[];
}

/** What a pod itself holds of a key. */
export interface HeldView {
  readonly connections: number;
  /** Of this pod: who waits for a slot here. */
  readonly waiting: number;
  readonly rates: readonly {
    readonly rate: RateName;
    readonly ratePerMs: number;
    readonly capacity: number;
    /** Tokens to spend, as of now. */
    readonly level: number;
    /** Units that wait here. */
    readonly waiting: number;
    /** When the single turn that is waited for may come, as the allocator has told: so long from now. */
    readonly turnInMs?: number;
  }[];
}

/** Who decides about a key, and what it knows, as far as this process can tell. */
export interface LedView {
  /** Session of the leader; `''` = there is none. */
  readonly leader: ClientId;
  /** Under which the leader knows this process. */
  readonly self: ClientId;
  /** This process is the leader: the rest is authoritative. */
  readonly here: boolean;
  /** The leader grants: everybody has told it what they hold. Of a leader elsewhere: it grants and answers this pod. */
  readonly granting: boolean;
  /** Absent = the leader is elsewhere, or nothing of the key is held or wanted. */
  readonly key?: KeyView;
}

/** A key as a pod sees it. */
export interface LookedKey {
  /** Absent = this pod holds and wants nothing of it. */
  readonly held?: HeldView;
  readonly led: LedView;
}
