import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { SluiceError } from '@sluice/crds';
import type { Cluster } from '../cluster.ts';
import type { Envelope, MessageBody } from '../envelope.ts';
import type { Membership } from '../membership.ts';
import type { JetStreamSpoolOptions, SharedSpool } from '../open-jetstream-spool.ts';
import { MAX_JOURNAL_BATCHES } from '../segment/journal-shortener.ts';
import { placeOf } from '../segment/place.ts';
import type { AppendRefusal, Outcome, Reference, SpoolUsage, StoredMessage } from '../spool.ts';
import type { SpoolListener } from '../spool-listener.ts';
import { connectNats, watchConnection } from './connection.ts';
import { CopyRoom } from './copy-room.ts';
import { Layout } from './layout.ts';
import { type LifeSign, showLifeSign } from './life-sign.ts';
import { MessageReader } from './message-reader.ts';
import type { OwnedSegment } from './owned-segment.ts';
import { patiently } from './patience.ts';
import { Publisher } from './publisher.ts';
import { LOOK_AT_DEFER_EVERY_MS, MOVE_AFTER_MS } from './put-aside.ts';
import { SegmentRing } from './segment-ring.ts';
import { ensureSessionBucket } from './session-bucket.ts';
import { ASK_ANEW_AFTER_MS } from './stored-message.ts';
import { StreamUsage } from './stream-usage.ts';
import { checkStreams, ensureStreams, type StreamOptions } from './streams.ts';

/** A client waits at most so long for its 250 (DESIGN §4.2). */
export const APPEND_TIMEOUT_MS = 5_000;
/** The one timer of the spool: late appends, purges, figures of the streams. */
export const TICK_MS = 250;
/** Segments that new mail goes to at a time. */
export const OPEN_SEGMENTS = 4;
/** Bytes that are published and not acked, or wait to be; beyond it mail is refused, so a slow store cannot fill the memory. */
export const MAX_WAITING_BYTES = 64 * 1024 * 1024;
/** How long a start waits for NATS to answer; then the supervisor starts the pod again. */
const START_PATIENCE_MS = 30_000;
/** How long `close` waits for outcomes that NATS does not take. */
const CLOSE_TIMEOUT_MS = 5_000;
const CLOSE_CHECK_MS = 10;
const NO_SEGMENT = 'no part of the store is owned by this process now, or it is being checked';

/** What every segment of a spool works with. */
export interface SpoolContext {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  /** Gives up after {@link ASK_ANEW_AFTER_MS}. */
  readonly hastyManager: JetStreamManager;
  readonly publisher: Publisher;
  readonly layout: Layout;
  readonly reader: MessageReader;
  /** Of a batch in any journal: no two of this process share one. */
  readonly nextBatchNumber: () => number;
  /** After so long unsent a message is put aside in DEFER. */
  readonly moveAfterMs: number;
  readonly lookAtDeferEveryMs: number;
  readonly copyRoom: CopyRoom;
  readonly maxJournalBatches: number;
  readonly maxPayloadBytes: number;
  readonly onNotice: JetStreamSpoolOptions['onNotice'];
}

/** {@link Spool} on NATS JetStream (DESIGN §5). */
export class JetStreamSpool implements SharedSpool {
  readonly #context: SpoolContext;
  readonly #appendTimeoutMs: number;
  readonly #usage: StreamUsage;
  readonly #ring: SegmentRing;
  #listener: SpoolListener | undefined;
  #released: Promise<void> | undefined;
  #batchNumber = 0;
  #waitingBytes = 0;
  #down: string | undefined;
  #closing: Promise<void> | undefined;
  readonly #timer: NodeJS.Timeout;

  static async open(options: JetStreamSpoolOptions): Promise<JetStreamSpool> {
    const layout = new Layout(options);
    const connection = await connectNats({ ...options, inboxPrefix: layout.inboxPrefix });
    try {
      // A cluster that elects leaders answers nothing for some seconds: no reason to give up.
      return await patiently(START_PATIENCE_MS, () => JetStreamSpool.#openOn(connection, layout, options));
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  static async #openOn(
    connection: NatsConnection,
    layout: Layout,
    options: JetStreamSpoolOptions,
  ): Promise<JetStreamSpool> {
    const manager = await jetStream(connection, options.servers);
    const streams: StreamOptions = {
      replicas: options.durability === 'Single' ? 1 : 3,
      spoolBytes: options.maxBytes,
      deferBytes: options.maxDeferredBytes,
      journalBytes: options.journalBytes,
    };
    if (options.streams === 'Create') await ensureStreams(manager, layout, streams);
    else await checkStreams(manager, layout, streams);
    await ensureSessionBucket(manager, layout.sessionStream, layout.sessionSubjects, streams.replicas);
    const hastyManager = await jetstreamManager(connection, { timeout: ASK_ANEW_AFTER_MS, checkAPI: false });
    const spool = new JetStreamSpool(
      options,
      layout,
      connection,
      { manager, hastyManager },
      await showLifeSign(),
    );
    try {
      await spool.#usage.measure();
      return spool;
    } catch (error) {
      spool.#stop();
      throw error;
    }
  }

  private constructor(
    options: JetStreamSpoolOptions,
    layout: Layout,
    connection: NatsConnection,
    { manager, hastyManager }: Pick<SpoolContext, 'manager' | 'hastyManager'>,
    life: LifeSign,
  ) {
    this.#appendTimeoutMs = options.appendTimeoutMs ?? APPEND_TIMEOUT_MS;
    const publisher = new Publisher(connection, layout.inboxPrefix, {
      // The tick may come that much later.
      timeoutMs: this.#appendTimeoutMs - TICK_MS,
      nowMs: () => performance.now(),
    });
    this.#context = {
      connection,
      client: jetstream(connection),
      manager,
      hastyManager,
      publisher,
      layout,
      reader: new MessageReader(manager, layout),
      nextBatchNumber: () => ++this.#batchNumber,
      moveAfterMs: options.moveAfterMs ?? MOVE_AFTER_MS,
      lookAtDeferEveryMs: options.lookAtDeferEveryMs ?? LOOK_AT_DEFER_EVERY_MS,
      copyRoom: new CopyRoom(),
      maxJournalBatches: options.maxJournalBatches ?? MAX_JOURNAL_BATCHES,
      maxPayloadBytes: connection.info?.max_payload ?? 2 ** 20,
      onNotice: options.onNotice,
    };
    this.#usage = new StreamUsage(manager, layout);
    this.#ring = new SegmentRing(this.#context, {
      replicas: options.durability === 'Single' ? 1 : 3,
      openSegments: options.openSegments ?? OPEN_SEGMENTS,
      assumeAlone: options.assumeAlone ?? false,
      facts: { host: options.name, version: '', configHash: '', state: 'starting' },
      life,
    });
    this.#timer = setInterval(() => this.#tick(performance.now()), TICK_MS);
    void watchConnection(connection, { onDown: (reason) => this.#lost(reason), onUp: () => this.#found() });
  }

  append(envelope: Envelope, body: MessageBody): Promise<Reference | AppendRefusal> {
    let bytes = 0;
    for (const piece of body) bytes += piece.length;
    const segment = this.#ring.nextWriting();
    const refusal = this.#refusal(segment, bytes);
    if (refusal !== undefined || segment === undefined) {
      return Promise.resolve(refusal ?? { refused: 'unavailable', reason: NO_SEGMENT });
    }
    this.#waitingBytes += bytes;
    const result = segment.append(envelope, body, bytes, performance.now());
    void result.then(() => {
      this.#waitingBytes -= bytes;
      // It was given up meanwhile: whoever has it now finds the message, and this queue forgets it again.
      if (!segment.isOurs) setImmediate(() => this.#notOurs(segment));
    });
    return result;
  }

  async record(outcomes: readonly Outcome[]): Promise<{ readonly mismatched: number }> {
    this.#mustBeOpen();
    const bySegment = new Map<OwnedSegment, Outcome[]>();
    let mismatched = 0;
    for (const outcome of outcomes) {
      const segment = this.#ring.get(placeOf(outcome.reference.sequence).segment);
      // Whoever has it now says what becomes of it.
      if (segment === undefined) continue;
      const some = bySegment.get(segment);
      if (some === undefined) bySegment.set(segment, [outcome]);
      else some.push(outcome);
    }
    const counts = await Promise.all([...bySegment].map(([segment, some]) => segment.record(some)));
    for (const count of counts) mismatched += count;
    return { mismatched };
  }

  async *replay(): AsyncIterable<StoredMessage> {
    this.#mustBeOpen();
    for (const segment of this.#ring.all()) yield* segment.replay();
  }

  async read(
    reference: Reference,
  ): Promise<{ readonly envelope: Envelope; readonly body: MessageBody } | undefined> {
    this.#mustBeOpen();
    const owned = this.#ring.get(placeOf(reference.sequence).segment);
    const place = owned?.place(reference);
    if (owned === undefined || place === undefined) return undefined;
    const read = await this.#context.reader.read(owned.segment, place.store, place.sequence);
    return read?.envelope.id === place.id ? read : undefined;
  }

  /** Who shares the store. */
  get cluster(): Cluster {
    return this.#ring;
  }

  async follow(listener: SpoolListener): Promise<void> {
    this.#listener = listener;
    await this.#ring.follow(listener);
    await this.#usage.measure().catch(() => undefined);
  }

  partOf(sequence: number): number {
    return placeOf(sequence).segment;
  }

  begin(reference: Reference, group: number): 'go' | 'no' | Promise<'go' | 'no'> {
    const segment = this.#ring.get(placeOf(reference.sequence).segment);
    if (segment === undefined || this.#closing !== undefined) return 'no';
    const may = this.#ring.mayStart();
    if (may === true) return segment.begin(reference, group);
    if (may === false) return 'no';
    return may.then((clear) => (clear ? segment.begin(reference, group) : 'no'));
  }

  abandon(reference: Reference, group: number): void {
    this.#ring.get(placeOf(reference.sequence).segment)?.abandon(reference, group);
  }

  release(): Promise<void> {
    this.#released ??= this.#ring.release();
    return this.#released;
  }

  membership(): Membership {
    return this.#ring.membership();
  }

  usage(): SpoolUsage {
    let messages = 0;
    for (const { owner, messages: some } of this.#ring.all()) if (owner.isOwned) messages += some;
    return { messages, ...this.#usage.figures };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const untilMs = performance.now() + CLOSE_TIMEOUT_MS;
    const wait = async (done: () => boolean): Promise<void> => {
      while (!done() && performance.now() < untilMs)
        await new Promise((resolve) => setTimeout(resolve, CLOSE_CHECK_MS));
    };
    await wait(() => [...this.#ring.all()].every(({ idle }) => idle));
    let released = false;
    void this.release().then(() => {
      released = true;
    });
    await wait(() => released && this.#ring.isSettled);
    const ended = this.#ring.isSettled ? this.#ring.end() : Promise.resolve();
    let said = false;
    void ended.then(() => {
      said = true;
    });
    await wait(() => said);
    this.#stop();
    await this.#context.connection.close();
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#ring.close();
    this.#context.publisher.close();
  }

  #notOurs({ segment }: OwnedSegment): void {
    if (this.#ring.get(segment)?.owner.isOwned !== true)
      this.#listener?.onGone(new Set([segment]), 'released');
  }

  #refusal(segment: OwnedSegment | undefined, bytes: number): AppendRefusal | undefined {
    if (this.#closing !== undefined) return { refused: 'unavailable', reason: 'the spool is closed' };
    if (this.#down !== undefined) return { refused: 'unavailable', reason: this.#down };
    if (segment?.takesMail !== true) return { refused: 'unavailable', reason: NO_SEGMENT };
    if (this.#waitingBytes > 0 && this.#waitingBytes + bytes > MAX_WAITING_BYTES)
      return { refused: 'unavailable', reason: `${this.#waitingBytes} bytes already wait for NATS` };
    return this.#usage.refusal(segment.segment, this.#waitingBytes + bytes);
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw new Error('the spool is closed');
  }

  #tick(nowMs: number): void {
    this.#context.publisher.tick();
    const late: AppendRefusal = {
      refused: 'unavailable',
      reason: `NATS did not take the message within ${this.#appendTimeoutMs} ms`,
    };
    for (const segment of this.#ring.all()) {
      segment.refuseLate(nowMs - this.#appendTimeoutMs + TICK_MS, late);
    }
    this.#ring.tick();
    if (this.#down === undefined) this.#usage.tick(nowMs);
  }

  #lost(reason: string): void {
    if (this.#down !== undefined || this.#closing !== undefined) return;
    this.#down = reason;
    this.#context.onNotice('NATS is gone: mail is refused until it is back', { reason });
    this.#context.publisher.lost(reason);
    this.#ring.interrupted();
  }

  #found(): void {
    if (this.#down === undefined) return;
    this.#down = undefined;
    this.#context.onNotice('NATS is back', {});
    this.#ring.reconnected();
  }
}

async function jetStream(connection: NatsConnection, servers: readonly string[]): Promise<JetStreamManager> {
  try {
    return await jetstreamManager(connection);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const cure = `Enable JetStream on ${servers.join(', ')} and for the account of the user (docs/reference/nats.md).`;
    throw new SluiceError('SLUICE_NATS_UNUSABLE', { reason, cure }, {}, error);
  }
}
