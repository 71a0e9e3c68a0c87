import type { JournalBatch } from './journal-record.ts';
import type { Place, Store } from './place.ts';
import type { LiveGroups } from './segment-state.ts';

/** A message, or a marker, as the headers in a store show it. */
export interface StoredItem {
  readonly sequence: number;
  /** Of the subject: which owner's publish it is. */
  readonly epoch: number;
  /** Of the message; of a marker: the session that published it. */
  readonly id: string;
  /** Recipient groups of the message; 0 = a marker. */
  readonly groups: number;
}

export interface JournalEntry {
  readonly sequence: number;
  readonly batch: JournalBatch;
}

/** What a segment's owner wants done. The shell carries it out and answers with an {@link OwnerEvent}. */
export type OwnerCommand =
  /** All batches of the segment after this sequence → `journal`. */
  | { readonly kind: 'read-journal'; readonly after: number }
  /** Append a batch that expects `expected` as the subject's last sequence → `appended`, `append-failed`. */
  | { readonly kind: 'append'; readonly expected: number; readonly batch: JournalBatch }
  /** A marker to `<segment>.<epoch>` of the store. No answer: it is read. */
  | { readonly kind: 'publish-marker'; readonly store: Store; readonly epoch: number }
  /** The next items of `<segment>.>` after this sequence, in order → `read`. */
  | { readonly kind: 'read-store'; readonly store: Store; readonly after: number }
  /** Everything of SPOOL's `<segment>.>` after this sequence, except what own epochs hold → `swept`. */
  | { readonly kind: 'sweep'; readonly after: number }
  /** Is this still what the store has at this sequence? Asked of the stream's leader → `tail`. */
  | { readonly kind: 'check-tail'; readonly place: Place }
  /** Copy a message to `<segment>.<epoch>` of DEFER → `copied`, `copy-failed`. */
  | { readonly kind: 'copy'; readonly place: Place; readonly epoch: number }
  /**
   * If `guard` is still what the store has at its sequence (asked of the stream's leader), purge the segment up to and including
   * `upTo` → `purged`; if not → `tail` with `intact: false`.
   */
  | { readonly kind: 'purge'; readonly store: Store; readonly upTo: number; readonly guard: Place }
  /** The oldest batches of the journal, from this sequence on → `oldest`. */
  | { readonly kind: 'read-oldest'; readonly from: number; readonly atMost: number }
  | { readonly kind: 'purge-journal'; readonly upTo: number }
  /** Batches of the hand-over subject of this epoch after this sequence, asked of the stream's leader → `handover`. */
  | { readonly kind: 'read-handover'; readonly epoch: number; readonly after: number }
  /** Append to the own hand-over subject → `handover-appended`, `handover-failed`. */
  | { readonly kind: 'append-handover'; readonly expected: number; readonly batch: JournalBatch }
  /** The queue gets these groups of a message. */
  | { readonly kind: 'offer'; readonly place: Place; readonly live: LiveGroups }
  /** Groups that ended their owners too often: they are reported, not sent. */
  | { readonly kind: 'held'; readonly place: Place; readonly live: LiveGroups }
  /** A transaction whose `inflight` had to be durable first may start now. */
  | { readonly kind: 'started'; readonly place: Place; readonly group: number }
  /** So many outcomes, in the order in which they were recorded, are durable. */
  | { readonly kind: 'recorded'; readonly outcomes: number }
  /** New mail may be published on this epoch. */
  | { readonly kind: 'live'; readonly epoch: number }
  /** The segment is owned by a living session: nothing to do. */
  | { readonly kind: 'declined'; readonly session: string }
  /** Given up: others may adopt it. Transactions that are open end, and are recorded as before. */
  | { readonly kind: 'released' }
  /** Everything that the queue has of the segment goes: it is not owned, or its stores are not what they were. */
  | { readonly kind: 'drop'; readonly reason: string };

export type OwnerEvent =
  /** It is this pod's turn to adopt. */
  | { readonly kind: 'adopt' }
  | {
      readonly kind: 'journal';
      readonly after: number;
      readonly entries: readonly JournalEntry[];
      /** More follows, without being asked for. */
      readonly isPart?: boolean;
    }
  /** An answer of the server. */
  | { readonly kind: 'appended'; readonly number: number; readonly sequence: number }
  /** Refused because the last sequence was another, or no answer: which of both decides nothing. */
  | {
      readonly kind: 'append-failed';
      readonly number: number;
      readonly timedOut: boolean;
      /** The subject's last sequence, where the server said it with its refusal. */
      readonly lastSequence?: number;
    }
  | {
      readonly kind: 'read';
      readonly store: Store;
      readonly after: number;
      readonly items: readonly StoredItem[];
    }
  /** `upTo`: everything up to there was looked at; taken from the same replica that gave the items. */
  | {
      readonly kind: 'swept';
      readonly after: number;
      readonly upTo: number;
      readonly items: readonly StoredItem[];
    }
  | { readonly kind: 'tail'; readonly store: Store; readonly intact: boolean }
  | { readonly kind: 'copied'; readonly place: Place; readonly toSequence: number }
  | { readonly kind: 'copy-failed'; readonly place: Place }
  | { readonly kind: 'purged'; readonly store: Store; readonly upTo: number }
  | { readonly kind: 'oldest'; readonly from: number; readonly entries: readonly JournalEntry[] }
  | { readonly kind: 'journal-purged'; readonly upTo: number }
  | {
      readonly kind: 'handover';
      readonly epoch: number;
      readonly after: number;
      readonly entries: readonly JournalEntry[];
    }
  | { readonly kind: 'handover-appended'; readonly number: number; readonly sequence: number }
  | { readonly kind: 'handover-failed'; readonly number: number; readonly entries: readonly JournalEntry[] }
  /** The connection is back after an outage. */
  | { readonly kind: 'reconnected' }
  /** Any command may have been lost on the way: what is not answered is asked again. Also drives what is periodic. */
  | { readonly kind: 'tick' }
  /** SIGTERM, or another pod has too few. */
  | { readonly kind: 'release' }
  /** {@link OwnSession.standing} is `over`. */
  | { readonly kind: 'session-over' };

/** Rules that tests switch off to show that the simulator notices. */
export interface OwnerRules {
  /** Appends expect the own last sequence. */
  readonly expectsLastSequence: boolean;
  /** A time-out decides nothing: the journal is read again. `false` = it counts as success. */
  readonly readsAfterTimeout: boolean;
  /** Replay ends when the marker is read, not at the first empty page. */
  readonly awaitsMarkers: boolean;
  /** Late publishes on old epochs are looked for. */
  readonly sweeps: boolean;
  /** SPOOL is not purged beyond what was swept, nor beyond a publish without an answer. */
  readonly purgesOnlySwept: boolean;
  /** A copy in DEFER counts only once `moved` is durable. */
  readonly retiresAfterMoved: boolean;
  /** A released segment's open transactions wait for their outcome. */
  readonly awaitsHandover: boolean;
  /** What former owners stored starts only once its `inflight` is durable. */
  readonly recordsStartsOfAdopted: boolean;
}

export const ALL_RULES: OwnerRules = {
  expectsLastSequence: true,
  readsAfterTimeout: true,
  awaitsMarkers: true,
  sweeps: true,
  purgesOnlySwept: true,
  retiresAfterMoved: true,
  awaitsHandover: true,
  recordsStartsOfAdopted: true,
};
