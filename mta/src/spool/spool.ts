import type { Envelope, MessageBody } from './envelope.ts';
import type { Membership } from './membership.ts';
import type { GroupState } from './recipient-group.ts';
import type { SpoolListener } from './spool-listener.ts';

/**
 * Names a stored message. The sequence finds it, the id proves it: whoever holds a reference compares both,
 * and on a mismatch nothing is done, sent or deleted (a store that lost its tail may give a sequence out again).
 */
export interface Reference {
  /** Position in the store's log, ≥ 1, rising. */
  readonly sequence: number;
  /** {@link Envelope.id}. */
  readonly id: string;
}

/** A fact about one recipient group that must survive the process. */
export type Outcome =
  /** Every recipient of the group has its final outcome; when all groups are done the message is deleted. Said twice = said once. */
  | { readonly kind: 'done'; readonly reference: Reference; readonly group: number }
  /** The group waits for another attempt. Replaces the state recorded before; without effect on a group that is done. */
  | {
      readonly kind: 'deferred';
      readonly reference: Reference;
      readonly group: number;
      readonly state: GroupState;
    };

/** A message as it comes back after a restart. */
export interface StoredMessage {
  readonly reference: Reference;
  readonly envelope: Envelope;
  /** Groups that are not done, by number; `undefined` as a state = never attempted. */
  readonly live: ReadonlyMap<number, GroupState | undefined>;
}

/** Why the store did not take a message: a value, not an exception. Intake turns it into 452 or 451. */
export interface AppendRefusal {
  /** `full` → 452 4.3.1; `unavailable` → 451 4.3.2. */
  readonly refused: 'full' | 'unavailable';
  /** For the log: what happened, and what to do. */
  readonly reason: string;
}

export interface SpoolUsage {
  readonly messages: number;
  /** Bytes the store occupies. */
  readonly usedBytes: number;
  /** Bytes it may still grow: of the disk, or of the stream's limit. */
  readonly freeBytes: number;
}

/**
 * Where accepted mail lives until its last recipient has a final outcome. Two implementations (SQLite, JetStream)
 * pass one contract suite (`contract.suite.ts`).
 *
 * Contract: a resolved promise means *durable*. All calls may overlap; each call's effect is atomic. Outcomes of
 * one `record` call become durable together; appends become durable in the order in which they were made, and so do
 * `record` calls (a slow append of a large message holds up other appends, never outcomes).
 */
export interface Spool {
  /**
   * Stores a message. Resolves only when it would survive `kill -9`; within `appendTimeoutMs` in any case. What was refused is not
   * replayed later, unless the process ends before a late commit could be taken back. The body must not change until then.
   */
  append(envelope: Envelope, body: MessageBody): Promise<Reference | AppendRefusal>;
  /**
   * Records outcomes. Outcomes whose (sequence, id) or group match nothing are skipped and counted in the result; those of parts that were lost are
   * skipped too, because whoever has the part now says what becomes of its mail.
   * Rejects when the store failed: all or nothing of it is durable, so the caller says it again, before anything later about
   * the same groups; what had become durable may then be counted as mismatched.
   */
  record(outcomes: readonly Outcome[]): Promise<{ readonly mismatched: number }>;
  /**
   * Everything whose append had resolved before the first item was asked for and that is not done, by ascending sequence; bodies are not
   * read. Rejects when the store fails on the way.
   */
  replay(): AsyncIterable<StoredMessage>;
  /**
   * Gives everything that is this process's to send, now and while it runs. Call once, before mail is accepted. Resolves when what was there at
   * the start has been given; rejects when the store fails on the way.
   */
  follow(listener: SpoolListener): Promise<void>;
  /** The part of the store that a message lies in: parts change hands as a whole. */
  partOf(sequence: number): number;
  /**
   * To be asked before each transaction of a group. `no`: it is not to be sent now (the part is gone, the group is held, or its former owner has not said
   * what became of it); it leaves the queue, and comes back through the listener if it is to be sent after all. A promise: something must be durable first.
   */
  begin(reference: Reference, group: number): 'go' | 'no' | Promise<'go' | 'no'>;
  /** What `begin` let start did not take place: its host took nothing and was offered nothing. Another `begin` may follow. */
  abandon(reference: Reference, group: number): void;
  /**
   * Gives up every part, with what is in flight, so that other processes go on with them at once. Resolves when that is durable; appends are refused from then on,
   * outcomes of open transactions are still recorded.
   */
  release(): Promise<void>;
  /**
   * The message as accepted, or `undefined` when (sequence, id) match nothing. An `id` of `''` matches any.
   * Rejects when the store cannot be read.
   */
  read(
    reference: Reference,
  ): Promise<{ readonly envelope: Envelope; readonly body: MessageBody } | undefined>;
  /** Absent = the store is this process's alone. */
  membership?(): Membership;
  /** As of the last second. */
  usage(): SpoolUsage;
  /** Finishes what is under way and closes. Later appends are refused as unavailable, other later calls reject. */
  close(): Promise<void>;
}
