import type { Facts, SourceConfig } from '@sluice/crds';
import type { Phase, SessionTls } from '../deliver/mod.ts';
import type { Judgement } from '../react/mod.ts';
import type { Envelope, OwedReport, Reply, StoredMessage } from '../spool/mod.ts';

/** Where an attempt went; names as in events. */
export interface AttemptPlace {
  readonly pool: string;
  readonly source: string;
  readonly sourceAddress: string;
  readonly site: string;
  readonly group: string;
  readonly domain: string;
  readonly mxHost: string;
  readonly mxAddress: string;
  readonly tls?: SessionTls;
}

export type ConnectionPlace = Pick<AttemptPlace, 'pool' | 'source' | 'group'>;

/** What became of some recipients of a message. */
export interface OutcomeReport {
  readonly kind: 'delivered' | 'deferred' | 'bounced' | 'expired';
  readonly envelope: Envelope;
  /** Indexes into `envelope.recipients`. */
  readonly recipients: readonly number[];
  /** Attempts made, this one included. */
  readonly attempts: number;
  readonly place: AttemptPlace;
  readonly phase: Phase | '';
  readonly reply: Reply;
  /** `deferred`: wall time of the next attempt, milliseconds. */
  readonly nextAttemptAtMs: number;
  readonly nowMs: number;
}

/** The sender of a message is told, by a message of its own, what became of some recipients. */
export interface SenderReport {
  /** Of the message that is reported on. */
  readonly envelope: Envelope;
  readonly reportId: string;
  readonly owed: readonly OwedReport[];
  readonly nowMs: number;
}

/** A reply hit reactions of the policy. */
export interface ReactionReport extends Judgement {
  readonly reply: Reply;
  readonly phase: string;
  /** Where it came: pool, source, site, …. */
  readonly facts: Facts;
  /** The message that it speaks of; absent = it came before one was offered. */
  readonly envelope: Envelope | undefined;
  readonly nowMs: number;
}

/** Whom the dispatcher tells what happened: once it did, before it is recorded. */
export interface DispatchReport {
  /** Resolves when the terminal events told so far outlive this process; `undefined` = they do, or nobody asked for it. */
  stored(): Promise<void> | undefined;
  accepted(envelope: Envelope): void;
  outcome(report: OutcomeReport): void;
  /** Time from MAIL to the last reply. */
  transaction(durationMs: number): void;
  reacted(report: ReactionReport): void;
  /** Mail waits for this limit. */
  limitWaited(limitName: string): void;
  connection(event: 'opened' | 'failed' | 'closed', place: ConnectionPlace): void;
  /** A source cannot connect at all: its address is not on this machine, or has no free port. */
  sourceBroken(source: SourceConfig, reply: Reply): void;
  /** A report to a sender is stored. */
  reported(report: SenderReport): void;
  /** A report was due and no egress pool takes it: nobody will read it. */
  unreported(report: Omit<SenderReport, 'reportId'> & { readonly reason: string }): void;
  /** The store does not take a report now; it is offered again. */
  reportDelayed(reason: string): void;
  /** A queued message was not in the store, or another one was there: reported, never sent or deleted. */
  mismatch(sequence: number): void;
  /** Groups that were in flight at three ends of a process in a row: they are not sent again until somebody has looked. */
  held(message: StoredMessage): void;
  journalError(error: unknown): void;
  /** A queued message could not be read; it stays queued and is tried again. */
  storeError(error: unknown): void;
  /** A bug: an exception where none may be. What it stopped was given back. */
  fault(error: unknown): void;
}
