/** What travels between the pod's main thread and the thread of the SQLite store: one message per batch and direction. */

/** One message of a batch; its body is a slice of the batch's packed buffer. */
export interface BatchAppend {
  readonly sequence: number;
  readonly id: string;
  readonly groups: number;
  /** {@link Envelope} as JSON. */
  readonly envelope: string;
  readonly offset: number;
  readonly length: number;
}

export interface BatchDone {
  readonly sequence: number;
  readonly id: string;
  readonly group: number;
  /** {@link GroupState} as JSON; `undefined` = done. */
  readonly state: string | undefined;
}

export interface BatchRead {
  readonly sequence: number;
  /** `''` = any. */
  readonly id: string;
}

export interface Batch {
  readonly kind: 'batch';
  readonly appends: readonly BatchAppend[];
  readonly outcomes: readonly BatchDone[];
  /** Messages whose sender was told that they were not stored. */
  readonly withdrawn: readonly BatchRead[];
  readonly reads: readonly BatchRead[];
  /** Bodies of all appends, one after the other; sent back for the next batch. */
  readonly bodies: ArrayBuffer | undefined;
}

export interface PageRequest {
  readonly kind: 'replay';
  readonly afterSequence: number;
  readonly atMost: number;
}

export interface CloseRequest {
  readonly kind: 'close';
}

export type Request = Batch | PageRequest | CloseRequest;

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

export interface BatchAnswer {
  readonly kind: 'batch';
  readonly appendFailure: StoreFailure | undefined;
  readonly outcomeFailure: StoreFailure | undefined;
  /** By position in `outcomes`: (sequence, id) matched nothing. */
  readonly mismatched: readonly number[];
  readonly reads: readonly ({ readonly envelope: string; readonly body: Uint8Array } | undefined)[];
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
  readonly kind: 'replay';
  readonly rows: readonly StoredRow[];
}

/** First message of the store's thread. */
export type OpenAnswer =
  | { readonly kind: 'opened'; readonly nextSequence: number; readonly usage: StoreUsage }
  | {
      readonly kind: 'not-opened';
      readonly problem: 'locked' | 'foreign' | 'version' | 'unreadable';
      readonly reason: string;
    };

export type Answer = OpenAnswer | BatchAnswer | PageAnswer | { readonly kind: 'closed' };

export interface SqliteOptions {
  readonly path: string;
  /** For tests of a full store: PRAGMA max_page_count. */
  readonly maxPages?: number;
}
