import type { Cluster } from './cluster.ts';
import type { NatsCredentials, NatsTls } from './jetstream/connection.ts';
import type { Spool } from './spool.ts';

export interface JetStreamSpoolOptions {
  /** `nats://host:port` or `tls://host:port`; one that answers is enough. */
  readonly servers: readonly string[];
  readonly credentials: NatsCredentials;
  readonly tls?: NatsTls;
  /** Name of the connection in the server's monitoring. */
  readonly name: string;
  readonly prefix: string;
  readonly durability: 'Single' | 'Replicated' | 'Synced';
  /** Room of all SPOOL streams together. */
  readonly maxBytes: number;
  readonly maxDeferredBytes: number;
  readonly journalBytes: number;
  readonly spoolStreams: number;
  /** `Check`: streams that are missing are not made. */
  readonly streams: 'Create' | 'Check';
  /** What an operator should read in the log. */
  readonly onNotice: (text: string, facts: Readonly<Record<string, string | number>>) => void;
  readonly appendTimeoutMs?: number;
  /** After so long unsent a message is put aside, so that new mail stays together. */
  readonly moveAfterMs?: number;
  /** How often it is looked how much of DEFER is over. */
  readonly lookAtDeferEveryMs?: number;
  /** Batches of a journal before its oldest are said again and purged; tests make it short. */
  readonly maxJournalBatches?: number;
  /** Segments that new mail goes to at a time. */
  readonly openSegments?: number;
  /** Segments of the ring; tests make it small. Fixed when the streams are made. */
  readonly ringSegments?: number;
  /** No other process has this store: whoever its journals name is dead. Only for tests, which would wait for 20 s otherwise. */
  readonly assumeAlone?: boolean;
}

/** A store that any number of processes share. */
export interface SharedSpool extends Spool {
  readonly cluster: Cluster;
}

/**
 * The spool on NATS JetStream: nothing of it is on this machine. The client library is loaded only here, so that a pod with another store
 * does without.
 *
 * @throws {SluiceError} `SLUICE_NATS_UNREACHABLE`, `_REFUSED`, `_TOO_OLD`, `_UNUSABLE`, `_STREAM`
 *
 * Example: `await openJetStreamSpool({ ...settings.spool, name: 'sluice pod-1', onNotice })`
 */
export async function openJetStreamSpool(options: JetStreamSpoolOptions): Promise<SharedSpool> {
  const { JetStreamSpool } = await import('./jetstream/jetstream-spool.ts');
  return JetStreamSpool.open(options);
}
