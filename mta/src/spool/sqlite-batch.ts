/** What travels between the pod's main thread and the thread of the SQLite store: one message per batch and direction. */

/** A message whose last (mostly: only) piece of body is a slice of the batch's packed buffer. */
export interface BatchAppend {
  readonly sequence: number;
  readonly id: string;
  readonly groups: number;
  /** Pieces of the body that went before, see {@link BatchPart}. */
  readonly parts: number;
  /** {@link Envelope} as JSON. */
  readonly envelope: string;
  readonly offset: number;
  readonly length: number;
}

/** A piece of a large body, ahead of the message itself; without a message it counts for nothing. */
export interface BatchPart {
  readonly sequence: number;
  /** 0, 1, 2, …. */
  readonly part: number;
  readonly offset: number;
  readonly length: number;
}

/** Outcomes, by position in all four lists: to hand over an object for each costs the threads more than SQLite does. */
export interface BatchOutcomes {
  readonly sequences: readonly number[];
  readonly ids: readonly string[];
  readonly groups: readonly number[];
  /** {@link GroupState} as JSON; `''` = done. */
  readonly states: readonly string[];
}

/** Names a message; an empty id is any. */
export interface BatchReference {
  readonly sequence: number;
  readonly id: string;
}

/** Everything in it becomes durable in one commit, in the order of the fields; then the reads are answered. */
export interface Batch {
  readonly kind: 'batch';
  readonly parts: readonly BatchPart[];
  readonly appends: readonly BatchAppend[];
  readonly outcomes: BatchOutcomes;
  /** Messages whose sender was told that they were not stored, whole or in part. */
  readonly withdrawn: readonly BatchReference[];
  readonly reads: readonly BatchReference[];
  /** Bodies of all parts and appends, one after the other; sent back for the next batch. */
  readonly bodies: ArrayBuffer | undefined;
}

export interface PageRequest {
  readonly kind: 'page';
  readonly afterSequence: number;
  readonly atMost: number;
}

export type Request =
  | Batch
  | PageRequest
  | { readonly kind: 'measure' }
  | {
      readonly kind: 'close';
      /** First sequence that was never given to a message. */
      readonly nextSequence: number;
    };

export interface StoreUsage {
  readonly messages: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
}

/** Why a part of a batch did not become durable. */
export interface StoreFailure {
  readonly refused: 'full' | 'unavailable';
  readonly reason: string;
}

/** Answers to the first of a batch's reads, by position; fewer than were asked for when they are large: the rest is asked for again. */
export interface StoredMessages {
  /** JSON; `''` = (sequence, id) match nothing. */
  readonly envelopes: readonly string[];
  /**
   * Octets of a body that shares a buffer: it follows the one before, or begins the next buffer when there is no room. Negative = so many of the
   * next buffers are the pieces of a body, each of them whole.
   */
  readonly lengths: readonly number[];
  /** Of the bodies, in their order. */
  readonly buffers: readonly ArrayBuffer[];
}

export interface BatchAnswer {
  readonly kind: 'batch';
  /** For parts and appends. */
  readonly appendFailure: StoreFailure | undefined;
  /** For outcomes and withdrawn messages. */
  readonly outcomeFailure: StoreFailure | undefined;
  readonly readFailure: StoreFailure | undefined;
  /** By position in `outcomes`: (sequence, id) matched nothing. */
  readonly mismatched: readonly number[];
  readonly reads: StoredMessages;
  readonly bodies: ArrayBuffer | undefined;
  readonly usage: StoreUsage;
}

export interface StoredRow {
  readonly sequence: number;
  readonly id: string;
  readonly groups: number;
  readonly envelope: string;
  readonly done: readonly number[];
  readonly states: readonly { readonly group: number; readonly state: string }[];
}

export interface PageAnswer {
  readonly kind: 'page';
  readonly rows: readonly StoredRow[];
  readonly failure: StoreFailure | undefined;
}

/** Why a file cannot be the spool. */
export type OpenProblem = 'locked' | 'foreign' | 'version' | 'corrupt' | 'unusable';

/** First message of the store's thread. */
export type OpenAnswer =
  | { readonly kind: 'opened'; readonly nextSequence: number; readonly usage: StoreUsage }
  | { readonly kind: 'not-opened'; readonly problem: OpenProblem; readonly reason: string };

export type Answer =
  | OpenAnswer
  | BatchAnswer
  | PageAnswer
  | { readonly kind: 'measured'; readonly usage: StoreUsage }
  /** The database failed: the thread ends, a new one opens the file again. */
  | { readonly kind: 'broken'; readonly reason: string }
  | { readonly kind: 'closed' };

export interface StoreOptions {
  readonly path: string;
  /** Bound of the database file in pages of {@link PAGE_BYTES}, for a spool that must not take the whole disk (SQLite's `max_page_count`). */
  readonly maxPages?: number | undefined;
}

/** Page of the database; 16 KiB hold six messages of 2 KB (measured: docs/adr/0003-sqlite-spool.md). */
export const PAGE_BYTES = 16384;
/** Bodies above this are stored in pieces of this size, so that no copy on the way is larger, bytes. */
export const PART_BYTES = 4 * 1024 * 1024;
/** Bodies of one commit, and of one answer: small enough that a commit stays short, large enough that one fsync serves many, bytes. */
export const MAX_BATCH_BYTES = 16 * 1024 * 1024;
