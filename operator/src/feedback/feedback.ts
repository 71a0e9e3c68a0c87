import type { Consumer, ConsumerMessages, JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import { errors, type NatsConnection } from '@nats-io/transport-node';
import type { Logger } from '../kube/mod.ts';
import type { FeedbackSource, FeedbackState } from './feedback-state.ts';
import { connectNats, type NatsAccess, sessionBucket } from './nats-access.ts';
import { SessionBook } from './session-book.ts';

/** How often it is asked up to where the bucket goes: proof that nothing is unread. Milliseconds. */
const LOOK_EVERY_MS = 2_000;
/**
 * While servers take connections and say nothing they are tried ever more rarely, up to this. @nats-io/transport-node 3.4.0 keeps the socket of an attempt that timed out until the other end
 * closes it, so a server that hangs must not be asked every other second. Milliseconds.
 */
const MAX_RETRY_MS = 60_000;
/** An answer of NATS that does not come within it does not come. Milliseconds. */
const ANSWER_TIMEOUT_MS = 3_000;
/** After a start statuses are not written for so long while nothing is known of the pods: what they say of before holds until then. Milliseconds. */
const FIRST_KNOWN_MS = 5_000;
/** Without a proof for so long it is not known any more what pods run: a restart of NATS is no news. Milliseconds. */
const LOST_AFTER_MS = 60_000;
/** A watch that is behind for so many looks is begun anew. */
const LOOKS_BEHIND = 4;
const PULL_EXPIRES_MS = 30_000;

export interface FeedbackOptions {
  readonly access: NatsAccess;
  readonly logger: Logger;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
}

/** A watch of the bucket. */
interface Watch {
  /** When the bucket was made: one that is made again counts from 1. */
  readonly created: string;
  /** What is up to here was there before the watch began. */
  readonly lastBefore: number;
  readonly consumer: Consumer;
  messages: ConsumerMessages | undefined;
  readUpTo: number;
  behind: number;
}

/**
 * Follows what pods say of themselves in NATS. It never throws, never ends by itself and holds nothing up: whatever NATS does, `state` says what is known.
 *
 * Example: `const feedback = new Feedback({ access, logger, nowMs }); feedback.onChange(look); feedback.start(); feedback.state.type`
 */
export class Feedback implements FeedbackSource {
  readonly #options: FeedbackOptions;
  readonly #book = new SessionBook();
  readonly #listeners = new Set<() => void>();
  #state: FeedbackState = { type: 'Waiting' };
  #connection: NatsConnection | undefined;
  #manager: JetStreamManager | undefined;
  #watch: Watch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();
  #startedAtMs = 0;
  /** Of the last proof that nothing is unread. */
  #provenAtMs: number | undefined;
  #timeouts = 0;
  #trouble = '';
  #stopped = false;

  constructor(options: FeedbackOptions) {
    this.#options = options;
  }

  get state(): FeedbackState {
    return this.#state;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {
    this.#startedAtMs = this.#options.nowMs();
    this.#again(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    // Its own requests end with it.
    await this.#connection?.close().catch(() => undefined);
    await this.#looking;
    await this.#connection?.close().catch(() => undefined);
  }

  #again(delayMs: number): void {
    if (this.#stopped) return;
    this.#timer = setTimeout(() => {
      this.#looking = this.#look()
        .then(
          () => this.#troubled(''),
          (error: unknown) => this.#troubled(error instanceof Error ? error.message : String(error)),
        )
        .then(() => this.#again(Math.min(MAX_RETRY_MS, LOOK_EVERY_MS * 2 ** this.#timeouts)));
    }, delayMs);
  }

  /** One look at the bucket; rejects when there is no answer. */
  async #look(): Promise<void> {
    const { nowMs } = this.#options;
    const manager = await this.#reach();
    const askedAtMs = nowMs();
    const { stream } = sessionBucket(this.#options.access.prefix);
    const info = await infoOf(manager, stream);
    if (this.#stopped) return;
    // No pod has ever been there.
    if (info === undefined) {
      await this.#end();
      this.#book.clear();
      this.#proven(askedAtMs);
      return;
    }
    const watch = this.#watch;
    if (watch !== undefined && (watch.created !== info.created || watch.behind >= LOOKS_BEHIND)) {
      if (watch.created !== info.created) this.#book.clear();
      await this.#end();
    }
    if (this.#watch === undefined) await this.#begin(info, askedAtMs);
    else if (this.#watch.readUpTo >= info.state.last_seq || info.state.messages === 0) {
      this.#watch.behind = 0;
      this.#book.caughtUp(askedAtMs);
      this.#proven(askedAtMs);
    } else this.#watch.behind++;
  }

  async #reach(): Promise<JetStreamManager> {
    if (this.#manager !== undefined && this.#connection?.isClosed() === false) return this.#manager;
    const { jetstreamManager } = await import('@nats-io/jetstream');
    const connection = await connectNats(this.#options.access).catch((error: unknown) => {
      // One that refuses, or is not there, may be asked again soon.
      this.#timeouts = error instanceof errors.TimeoutError ? this.#timeouts + 1 : 0;
      throw error;
    });
    this.#timeouts = 0;
    this.#connection = connection;
    if (this.#stopped) await connection.close();
    this.#watch = undefined;
    // Whether there is JetStream is seen at the first question; asking it beforehand would take one more permission.
    this.#manager = await jetstreamManager(connection, { checkAPI: false, timeout: ANSWER_TIMEOUT_MS });
    return this.#manager;
  }

  async #begin(info: StreamInfo, askedAtMs: number): Promise<void> {
    const { DeliverPolicy, jetstream } = await import('@nats-io/jetstream');
    const connection = this.#connection;
    if (connection === undefined) return;
    const { stream, subjects } = sessionBucket(this.#options.access.prefix);
    const consumer = await jetstream(connection, { timeout: ANSWER_TIMEOUT_MS }).consumers.get(stream, {
      filter_subjects: subjects,
      deliver_policy: DeliverPolicy.LastPerSubject,
    });
    const watch: Watch = {
      created: info.created,
      lastBefore: info.state.last_seq,
      consumer,
      messages: undefined,
      readUpTo: info.state.messages === 0 ? info.state.last_seq : 0,
      behind: 0,
    };
    this.#watch = watch;
    const serverNowMs = Date.parse(info.ts ?? '');
    watch.messages = await consumer.consume({
      max_messages: 1_000,
      expires: PULL_EXPIRES_MS,
      callback: ({ subject, data, seq, timestamp }) => {
        if (this.#watch !== watch) return;
        watch.readUpTo = seq;
        // Both times are of the server that leads the bucket, so their difference is an age.
        const age = seq > watch.lastBefore ? 0 : serverNowMs - Date.parse(timestamp);
        this.#take(subject, data, Number.isFinite(age) ? Math.max(0, age) : 0);
        if (seq === watch.lastBefore) {
          this.#book.caughtUp(askedAtMs);
          this.#proven(askedAtMs);
        } else if (seq > watch.lastBefore) this.#tell();
      },
    });
  }

  #take(subject: string, data: Uint8Array, ageMs: number): void {
    const [, , session = '', beside] = subject.split('.');
    const nowMs = this.#options.nowMs();
    if (beside === undefined) this.#book.read(session, data, ageMs, nowMs);
    else this.#book.readReport(session, data, nowMs);
  }

  async #end(): Promise<void> {
    const watch = this.#watch;
    this.#watch = undefined;
    await watch?.messages?.close().catch(() => undefined);
    await watch?.consumer.delete().catch(() => undefined);
  }

  #proven(askedAtMs: number): void {
    this.#provenAtMs = askedAtMs;
    this.#tell();
  }

  /** What is known changed. */
  #tell(): void {
    if (this.#provenAtMs === undefined) return;
    const sessions = this.#book.living;
    if (this.#state.type === 'Known' && this.#state.sessions === sessions) return;
    this.#become({ type: 'Known', sessions });
  }

  #troubled(reason: string): void {
    if (this.#stopped) return;
    const { nowMs, logger } = this.#options;
    if (reason !== '' && reason !== this.#trouble)
      logger.warn({ reason }, 'what pods run cannot be read from NATS; tried again');
    if (reason === '' && this.#trouble !== '') logger.info({}, 'NATS answers again');
    this.#trouble = reason;
    const silentMs = nowMs() - (this.#provenAtMs ?? this.#startedAtMs);
    const isLost = silentMs >= (this.#provenAtMs === undefined ? FIRST_KNOWN_MS : LOST_AFTER_MS);
    if (!isLost || this.#state.type === 'Lost') return;
    this.#provenAtMs = undefined;
    this.#startedAtMs = Number.NEGATIVE_INFINITY;
    this.#become({ type: 'Lost', reason: reason === '' ? 'the watch of sessions is behind' : reason });
  }

  #become(state: FeedbackState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

async function infoOf(manager: JetStreamManager, stream: string): Promise<StreamInfo | undefined> {
  const { JetStreamApiCodes, JetStreamApiError } = await import('@nats-io/jetstream');
  try {
    return await manager.streams.info(stream);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)
      return undefined;
    throw error;
  }
}
