import { createHash } from 'node:crypto';
import { JetStreamApiCodes, JetStreamApiError, jetstream, StorageType } from '@nats-io/jetstream';
import { type KV, Kvm, type KvWatchEntry } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { SluiceError } from '@sluice/crds';
import { SESSION_HISTORY } from '../../spool/mod.ts';
import type { LeaderWrite, StoredEntry } from '../shards/leadership.ts';
import type { LevelEntry, LevelStore } from '../shards/level-ledger.ts';
import type { Renewal } from '../shards/session-keeper.ts';
import { SHARDS } from '../shards/shard-number.ts';
import {
  decodeLeaderEntry,
  decodeLevel,
  decodeRenewal,
  encodeLeaderEntry,
  encodeLevel,
  encodeRenewal,
} from './shard-codec.ts';

/** An answer of the store is waited for so long; what it was to tell comes by the watch. */
const ANSWER_TIMEOUT_MS = 3_000;

/** Server's numbers for a write that somebody else was faster with. */
const WRONG_LAST_SEQUENCE: ReadonlySet<number> = new Set([
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
]);

export interface LimitBucket {
  readonly bucket: string;
  readonly replicas: number;
  /** `false` = somebody else makes it. */
  readonly create: boolean;
}

export interface LimitStoreListener {
  readonly onShard: (shard: number, entry: StoredEntry) => void;
  readonly onRenewal: (renewal: Renewal) => void;
  /** A session ended by itself: it has nothing open any more. */
  readonly onEnded: (session: string) => void;
}

/**
 * The bucket in which pods agree on who lives, who leads a shard, and what is left of slow rates: `session.<id>`, `shard.<n>`,
 * `level.<hash>`. A file-backed KV bucket: one order of all writes for all watches.
 */
export class LimitStore implements LevelStore {
  readonly #kv: KV;
  readonly #bucket: string;
  /** Of the newest entry that the watch gave: never ahead of the server. */
  #serverMs = 0;
  #watch: { stop(): void } | undefined;

  private constructor(kv: KV, bucket: string) {
    this.#kv = kv;
    this.#bucket = bucket;
  }

  /** @throws {SluiceError} `SLUICE_NATS_UNUSABLE` */
  static async open(
    connection: NatsConnection,
    { bucket, replicas, create }: LimitBucket,
  ): Promise<LimitStore> {
    try {
      const kvm = new Kvm(jetstream(connection));
      const options = { history: SESSION_HISTORY, replicas, storage: StorageType.File };
      return new LimitStore(create ? await kvm.create(bucket, options) : await kvm.open(bucket), bucket);
    } catch (error) {
      throw unusable(bucket, error);
    }
  }

  /**
   * Tells what stands and every change, in order. Begins anew when it is called again.
   *
   * @throws {SluiceError} `SLUICE_NATS_UNUSABLE`
   */
  async watch(listener: LimitStoreListener): Promise<void> {
    this.#watch?.stop();
    const entries = await this.#kv.watch({ key: ['session.*', 'shard.*'] }).catch((error: unknown) => {
      throw unusable(this.#bucket, error);
    });
    this.#watch = entries;
    void (async () => {
      for await (const entry of entries) if (this.#watch === entries) this.#tell(entry, listener);
    })();
  }

  stop(): void {
    this.#watch?.stop();
    this.#watch = undefined;
  }

  async renew(renewal: Renewal): Promise<void> {
    await this.#kv.put(`session.${renewal.session}`, encodeRenewal(renewal), { timeout: ANSWER_TIMEOUT_MS });
  }

  /** The session has nothing open any more: it ended, or is dead. Its revisions leave the store. */
  async end(session: string): Promise<void> {
    await this.#kv.purge(`session.${session}`);
  }

  /** `undefined` = somebody was faster. Throws when it is not known. */
  async writeLeader({ shard, entry, onRevision }: LeaderWrite): Promise<StoredEntry | undefined> {
    const revision = await this.#update(`shard.${shard}`, encodeLeaderEntry(entry), onRevision);
    return revision === undefined ? undefined : { ...entry, revision };
  }

  read(name: string, found: Parameters<LevelStore['read']>[1]): void {
    void this.#kv.get(levelKey(name)).then(
      (stored) => {
        const entry = stored === null || stored.operation !== 'PUT' ? undefined : decodeLevel(stored.value);
        if (stored === null || entry === undefined) return found(undefined);
        return found({
          entry,
          revision: stored.revision,
          elapsedMs: this.#serverMs - stored.created.getTime(),
        });
      },
      () => {},
    );
  }

  write(
    name: string,
    entry: LevelEntry,
    onRevision: number,
    stored: (revision: number | undefined) => void,
  ): void {
    void this.#update(levelKey(name), encodeLevel(name, entry), onRevision).then(stored, () => {});
  }

  after(delayMs: number, run: () => void): void {
    setTimeout(run, delayMs).unref();
  }

  async #update(key: string, data: Uint8Array, onRevision: number): Promise<number | undefined> {
    try {
      return await this.#kv.put(key, data, { previousSeq: onRevision, timeout: ANSWER_TIMEOUT_MS });
    } catch (error) {
      if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(error.code)) return undefined;
      throw error;
    }
  }

  #tell({ key, value, revision, operation, created }: KvWatchEntry, listener: LimitStoreListener): void {
    this.#serverMs = Math.max(this.#serverMs, created.getTime());
    const [kind, name = ''] = key.split('.');
    if (kind === 'session') {
      if (operation !== 'PUT') {
        listener.onEnded(name);
        return;
      }
      const renewal = decodeRenewal(name, value);
      if (renewal !== undefined) listener.onRenewal(renewal);
    } else if (kind === 'shard' && operation === 'PUT') {
      const entry = decodeLeaderEntry(value);
      const shard = Number(name);
      if (entry !== undefined && shard < SHARDS) listener.onShard(shard, { ...entry, revision });
    }
  }
}

function unusable(bucket: string, error: unknown): SluiceError {
  const reason = `KV_${bucket}: ${error instanceof Error ? error.message : String(error)}`;
  const cure = `Check the permissions of the user, and that the bucket ${bucket} exists where Sluice may not make it (docs/reference/nats.md).`;
  return new SluiceError('SLUICE_NATS_UNUSABLE', { reason, cure }, {}, error);
}

/** Names of limits hold what no key of a bucket may. */
function levelKey(name: string): string {
  return `level.${createHash('sha256').update(name).digest('base64url')}`;
}
