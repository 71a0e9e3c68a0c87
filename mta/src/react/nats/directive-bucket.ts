import { createHash } from 'node:crypto';
import {
  type ConsumerMessages,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { SluiceError } from '@sluice/crds';
import { z } from 'zod';
import { type Directive, directiveSchema } from '../directive.ts';

/** An answer of the store is waited for so long. */
const ANSWER_TIMEOUT_MS = 3_000;

/** Largest directive, bytes of JSON. */
export const MAX_DIRECTIVE_BYTES = 16 * 1024;

/** Of a message beside it. */
const HEADER_BYTES = 1_024;

/** How often it is asked whether a watch that tells nothing has told everything. */
const READ_LOOK_MS = 500;

/** Room of the bucket, which the servers reserve. */
const BUCKET_BYTES = 32 * 1024 * 1024;

/** The server forgets that a key was removed after so long; who was away for longer reads all anew. */
const MARKER_SECONDS = 3_600;

/** The server removes a directive so long after its time: pods end it themselves, by the store's clock. */
const SWEEP_AFTER_MS = 60_000;

/** Server's numbers for a write that somebody else was faster with. */
const WRONG_LAST_SEQUENCE: ReadonlySet<number> = new Set([
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
]);

/** Members of a stream's description that the client library does not know. */
const serverTime = z.object({ ts: z.string() });

export interface DirectiveBucketOptions {
  /** KV bucket: `sluice-directives`. */
  readonly bucket: string;
  readonly replicas: number;
  /** `false` = somebody else makes it. */
  readonly create: boolean;
}

export interface DirectiveWatch {
  /** From now on it tells. */
  readonly onBegan: () => void;
  /** In the order of revisions; `undefined` = nothing stands there any more. */
  readonly onTold: (key: string, revision: number, directive: Directive | undefined) => void;
  /** All that stood when the watch began has been told, up to this revision. Once. */
  readonly onRead: (revision: number) => void;
  /** The watch is over, or cannot be trusted any more: it must begin anew. */
  readonly onBroken: (reason: string) => void;
  /** Something stands there that this version cannot read. */
  readonly onUnreadable: (key: string, error: unknown) => void;
}

/** How far the store is. */
export interface BucketState {
  readonly lastRevision: number;
  /** The store's clock less this pod's, milliseconds. */
  readonly clockOffsetMs: number;
}

/**
 * The directives of all pods in a KV bucket with file storage: one key for each id, the newest revision alone. The server removes what is over.
 */
export class DirectiveBucket {
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;
  readonly #bucket: string;
  readonly #nowMs: () => number;
  #watch: ConsumerMessages | undefined;
  /** Of the watch that was asked for last. */
  #number = 0;

  private constructor(
    client: JetStreamClient,
    manager: JetStreamManager,
    bucket: string,
    nowMs: () => number,
  ) {
    this.#client = client;
    this.#manager = manager;
    this.#bucket = bucket;
    this.#nowMs = nowMs;
  }

  /** @throws {SluiceError} `SLUICE_NATS_UNUSABLE` */
  static async open(
    connection: NatsConnection,
    { bucket, replicas, create }: DirectiveBucketOptions,
    nowMs: () => number,
  ): Promise<DirectiveBucket> {
    try {
      const client = jetstream(connection, { timeout: ANSWER_TIMEOUT_MS });
      const manager = await client.jetstreamManager();
      const { config } = create
        ? await made(manager, bucket, replicas)
        : await manager.streams.info(`KV_${bucket}`);
      if (config.allow_msg_ttl !== true || config.storage !== StorageType.File)
        throw new Error('its keys cannot have a time to live of their own, or it lies in memory');
      return new DirectiveBucket(client, manager, bucket, nowMs);
    } catch (error) {
      throw unusable(bucket, error);
    }
  }

  /** Where a directive stands: ids hold what no key may. */
  keyOf(id: string): string {
    return createHash('sha256').update(id).digest('base64url');
  }

  /** Tells what stands and every change, in order, until it is called again or {@link stop}. Throws when NATS does not answer. */
  async watch(watch: DirectiveWatch): Promise<void> {
    this.stop();
    const number = this.#number;
    // Whatever was written before is among what the watch tells first, or is gone.
    const { lastRevision } = await this.look();
    const consumer = await this.#client.consumers.getPushConsumer(this.#stream, {
      deliver_policy: DeliverPolicy.LastPerSubject,
      filter_subjects: this.#subject('>'),
    });
    const { num_pending: standing } = await consumer.info(true);
    if (number !== this.#number) return;
    let isRead = false;
    const readTo = (pending: number): void => {
      if (isRead || pending > 0 || number !== this.#number) return;
      isRead = true;
      watch.onRead(lastRevision);
    };
    const messages = await consumer.consume({
      callback: (message) => {
        if (number !== this.#number) return;
        this.#tell(message, watch);
        readTo(message.info.pending);
      },
    });
    if (number !== this.#number) {
      messages.stop();
      return;
    }
    this.#watch = messages;
    const broken = (reason: string): void => {
      if (number !== this.#number) return;
      this.stop();
      watch.onBroken(reason);
    };
    void messages.closed().then(() => broken('the watch of directives ended'));
    void (async () => {
      for await (const { type } of messages.status())
        if (type === 'stream_not_found') broken(`the bucket ${this.#bucket} is gone`);
    })();
    watch.onBegan();
    readTo(standing);
    // What was to be told may be taken back before it is.
    while (!isRead && number === this.#number) {
      await new Promise((resolve) => setTimeout(resolve, READ_LOOK_MS).unref());
      const info = await consumer.info().catch(() => undefined);
      if (info !== undefined) readTo(info.num_pending);
    }
  }

  stop(): void {
    this.#number++;
    this.#watch?.stop();
    this.#watch = undefined;
  }

  /** @throws when NATS does not answer */
  async look(): Promise<BucketState> {
    const sentMs = this.#nowMs();
    const info = await this.#manager.streams.info(this.#stream);
    const halfwayMs = (sentMs + this.#nowMs()) / 2;
    const { success, data } = serverTime.safeParse(info);
    const clockOffsetMs = success ? Date.parse(data.ts) - halfwayMs : 0;
    return { lastRevision: info.state.last_seq, clockOffsetMs };
  }

  /** What stands under a key, and its revision, also of a removal; 0 = nothing ever did. */
  async find(key: string): Promise<{ readonly revision: number; readonly directive: Directive | undefined }> {
    const found = await this.#manager.direct.getMessage(this.#stream, { last_by_subj: this.#subject(key) });
    if (found === null) return { revision: 0, directive: undefined };
    return { revision: found.seq, directive: found.data.length === 0 ? undefined : parsed(found.data) };
  }

  /**
   * Stores; resolves with the revision, or `undefined` when something else than `onRevision` stands there.
   *
   * @param nowMs by the store's clock
   * @throws when it is refused, or not known whether it was stored
   */
  async write(directive: Directive, nowMs: number, onRevision?: number): Promise<number | undefined> {
    const { expiresAtMs } = directive;
    const seconds = Math.ceil((expiresAtMs - nowMs + SWEEP_AFTER_MS) / 1_000);
    try {
      const { seq } = await this.#client.publish(
        this.#subject(this.keyOf(directive.id)),
        encoded(directive),
        {
          timeout: ANSWER_TIMEOUT_MS,
          ...(expiresAtMs > 0 && { ttl: `${Math.max(1, seconds)}s` }),
          ...(onRevision !== undefined && { expect: { lastSubjectSequence: onRevision } }),
        },
      );
      return seq;
    } catch (error) {
      if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(error.code)) return undefined;
      throw error;
    }
  }

  /** Takes back; resolves with the revision. Throws as {@link write}. */
  async remove(key: string): Promise<number> {
    const purge = headers();
    purge.set('KV-Operation', 'PURGE');
    purge.set('Nats-Rollup', 'sub');
    const { seq } = await this.#client.publish(this.#subject(key), '', {
      timeout: ANSWER_TIMEOUT_MS,
      headers: purge,
      ttl: `${MARKER_SECONDS}s`,
    });
    return seq;
  }

  #tell(message: JsMsg, { onTold, onUnreadable }: DirectiveWatch): void {
    const key = message.subject.slice(this.#subject('').length);
    if (message.data.length === 0) {
      onTold(key, message.seq, undefined);
      return;
    }
    try {
      onTold(key, message.seq, parsed(message.data));
    } catch (error) {
      onTold(key, message.seq, undefined);
      onUnreadable(key, error);
    }
  }

  get #stream(): string {
    return `KV_${this.#bucket}`;
  }

  #subject(key: string): string {
    return `$KV.${this.#bucket}.${key}`;
  }
}

async function made(manager: JetStreamManager, bucket: string, replicas: number): Promise<StreamInfo> {
  const stream = `KV_${bucket}`;
  try {
    return await manager.streams.info(stream);
  } catch (error) {
    if (!(error instanceof JetStreamApiError) || error.code !== JetStreamApiCodes.StreamNotFound) throw error;
  }
  try {
    return await manager.streams.add({
      name: stream,
      subjects: [`$KV.${bucket}.>`],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.New,
      max_msgs_per_subject: 1,
      max_bytes: BUCKET_BYTES,
      max_msg_size: MAX_DIRECTIVE_BYTES + HEADER_BYTES,
      num_replicas: replicas,
      allow_direct: true,
      allow_rollup_hdrs: true,
      deny_delete: true,
      allow_msg_ttl: true,
      subject_delete_marker_ttl: MARKER_SECONDS * 1e9,
    });
  } catch (error) {
    // Another pod was faster.
    return await manager.streams.info(stream).catch(() => {
      throw error;
    });
  }
}

export function encoded(directive: Directive): Uint8Array {
  return Buffer.from(JSON.stringify(directive));
}

function parsed(data: Uint8Array): Directive {
  return directiveSchema.parse(JSON.parse(Buffer.from(data).toString('utf8')));
}

function unusable(bucket: string, error: unknown): SluiceError {
  const reason = `KV_${bucket}: ${error instanceof Error ? error.message : String(error)}`;
  const cure = `Check the permissions of the user, and where Sluice may not make the bucket ${bucket}, that it exists as docs/reference/nats.md says.`;
  return new SluiceError('SLUICE_NATS_UNUSABLE', { reason, cure }, {}, error);
}
