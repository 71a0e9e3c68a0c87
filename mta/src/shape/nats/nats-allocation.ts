import { randomBytes } from 'node:crypto';
import type { NatsConnection, Subscription } from '@nats-io/transport-node';
import type { LeaderWrite } from '../shards/leadership.ts';
import { LevelLedger } from '../shards/level-ledger.ts';
import { SessionKeeper } from '../shards/session-keeper.ts';
import type { LevelRecord } from '../shards/shard-leader.ts';
import type { FromLeader, ToLeader } from '../shards/shard-message.ts';
import type { NodeState, ShardNetwork } from '../shards/shard-node.ts';
import { ShardedAllocation } from '../shards/sharded-allocation.ts';
import { LimitStore } from './limit-store.ts';
import { decodeFromLeader, decodeToLeader, encodeFromLeader, encodeToLeader } from './shard-codec.ts';

/** A timer is never set for longer: clocks of sessions are looked at. */
const LONGEST_SLEEP_MS = 1_000;

/** A watch that could not begin is tried again after this long. */
const WATCH_RETRY_MS = 1_000;

/** Giving up shards takes a few round trips; a pod that ends waits no longer for it. */
const LEAVE_WITHIN_MS = 3_000;

export interface NatsAllocationOptions {
  readonly connection: NatsConnection;
  /** First token of all subjects: `sluice`. */
  readonly prefix: string;
  readonly bucket: string;
  readonly replicas: number;
  readonly createBucket: boolean;
  /** The clock that the shaper is called with. */
  readonly nowMs: () => number;
  /** The session of this pod was lost: every connection to a host must be destroyed before this returns. */
  readonly onFenced: () => void;
  /** Limits are shared with other pods, under this session. */
  readonly onShared: (session: string) => void;
  readonly onNotice: (text: string, facts: Readonly<Record<string, string | number>>) => void;
}

/**
 * Limits of all pods that share one NATS. A pod talks to the leader of a shard on `<prefix>.shape.leader.<shard>.<term>` and hears on
 * `<prefix>.shape.pod.<session>`; who lives and who leads stands in a KV bucket.
 *
 * Example: `createShaper({ client: hostname, allocation: shared.allocation, onArrived })`
 */
export class NatsAllocation implements ShardNetwork {
  readonly allocation: ShardedAllocation;
  readonly #options: NatsAllocationOptions;
  readonly #store: LimitStore;
  readonly #keeper: SessionKeeper;
  readonly #ledger: LevelLedger;
  readonly #led = new Map<string, Subscription>();
  #inbox: Subscription | undefined;
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #watchSentAtMs = Number.POSITIVE_INFINITY;
  #held = true;
  #connected = true;
  #closed = false;

  private constructor(options: NatsAllocationOptions, store: LimitStore) {
    const { nowMs } = options;
    this.#options = options;
    this.#store = store;
    this.#keeper = new SessionKeeper({
      newId: () => randomBytes(9).toString('base64url'),
      clocks: () => ({ monotonicMs: nowMs(), wallMs: Date.now() }),
    });
    this.allocation = new ShardedAllocation(this.#keeper, this, () => this.#workSoon());
    const { node } = this.allocation;
    this.#ledger = new LevelLedger(
      store,
      (address, found) => {
        const stored = found === undefined ? undefined : { ...found.entry, elapsedMs: found.elapsedMs };
        node.loaded(address, stored, nowMs());
        this.#workSoon();
      },
      (address) => {
        node.saved(address);
        this.#workSoon();
      },
    );
  }

  /** @throws {SluiceError} `SLUICE_NATS_UNUSABLE` */
  static async open(options: NatsAllocationOptions): Promise<NatsAllocation> {
    const { connection, bucket, replicas, createBucket } = options;
    const store = await LimitStore.open(connection, { bucket, replicas, create: createBucket });
    const allocation = new NatsAllocation(options, store);
    allocation.#listen();
    await allocation.#watch();
    allocation.#work();
    return allocation;
  }

  /** The connection broke: what the watch says proves nothing until it began anew. */
  onDown(): void {
    this.#connected = false;
    this.#keeper.interrupted();
  }

  onUp(): void {
    this.#connected = true;
    void this.#watchAgain();
  }

  /** For metrics and readiness. */
  state(): NodeState {
    return this.allocation.node.state(this.#options.nowMs());
  }

  /** Gives up what it leads, says that its session has ended, and closes the connection. Everything that it had open is closed. */
  async close(): Promise<void> {
    const { nowMs, connection } = this.#options;
    const { node } = this.allocation;
    node.leave(nowMs());
    const untilMs = nowMs() + LEAVE_WITHIN_MS;
    while (!node.left && nowMs() < untilMs && this.#connected) {
      this.#work();
      await new Promise((resolve) => setTimeout(resolve, LEAVE_LOOK_MS));
    }
    this.#closed = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#store.stop();
    if (this.#connected) await this.#store.end(this.#keeper.id).catch(() => {});
    await connection.close();
  }

  toLeader(message: ToLeader): void {
    this.#publish(this.#leaderSubject(message.shard, message.term), encodeToLeader(message));
  }

  toPod(message: FromLeader): void {
    this.#publish(this.#podSubject(message.session), encodeFromLeader(message));
  }

  write(write: LeaderWrite): void {
    this.#store.writeLeader(write).then(
      (entry) => {
        if (entry === undefined) this.allocation.node.refused(write.shard);
        else this.allocation.node.observed(write.shard, entry, this.#options.nowMs());
        this.#workSoon();
      },
      // Not known: the watch tells, and it is tried again.
      () => {},
    );
  }

  record(shard: number, term: number, record: LevelRecord): void {
    this.#ledger.record(shard, term, record);
  }

  lead(shard: number, term: number, leads: boolean): void {
    const subject = this.#leaderSubject(shard, term);
    if (!leads) {
      this.#ledger.forget(shard, term);
      this.#led.get(subject)?.unsubscribe();
      this.#led.delete(subject);
      return;
    }
    const subscription = this.#options.connection.subscribe(subject, {
      callback: (error, { data }) => {
        const message = error === null ? decodeToLeader(data) : undefined;
        if (message === undefined) return;
        this.allocation.node.fromPod(message, this.#options.nowMs());
        this.#workSoon();
      },
    });
    this.#led.set(subject, subscription);
  }

  #listen(): void {
    this.#inbox?.unsubscribe();
    this.#inbox = this.#options.connection.subscribe(this.#podSubject(this.#keeper.id), {
      callback: (error, { data }) => {
        const message = error === null ? decodeFromLeader(data) : undefined;
        if (message === undefined) return;
        this.allocation.node.fromLeader(message, this.#options.nowMs());
        this.#workSoon();
      },
    });
  }

  async #watch(): Promise<void> {
    const { nowMs } = this.#options;
    const { node } = this.allocation;
    await this.#store.watch({
      onShard: (shard, entry) => {
        node.observed(shard, entry, nowMs());
        this.#workSoon();
      },
      onRenewal: (renewal) => {
        for (const died of this.#keeper.observed(renewal, nowMs())) {
          node.sessionDied(died, nowMs());
          // One of those who know is enough.
          if (node.leads(TIDYING_SHARD)) void this.#store.end(died).catch(() => {});
        }
        // A renewal that was sent after the watch had begun comes behind all that stood in the store.
        if (this.#keeper.readUntilMs() >= this.#watchSentAtMs) node.ready();
        this.#workSoon();
      },
      onEnded: (session) => {
        this.#keeper.ended(session, nowMs());
        node.sessionDied(session, nowMs());
        this.#workSoon();
      },
    });
    this.#watchSentAtMs = nowMs();
    this.#keeper.began(this.#watchSentAtMs);
    this.#keeper.renewSoon();
  }

  async #watchAgain(): Promise<void> {
    try {
      await this.#watch();
      this.#workSoon();
    } catch {
      if (!this.#closed) setTimeout(() => void this.#watchAgain(), WATCH_RETRY_MS).unref();
    }
  }

  #workSoon(): void {
    this.#immediate ??= setImmediate(() => this.#work());
  }

  /** Does what is due, and sets the timer for the rest. */
  #work(): void {
    clearImmediate(this.#immediate);
    this.#immediate = undefined;
    if (this.#closed) return;
    const { nowMs } = this.#options;
    this.#sessionDue(nowMs());
    this.allocation.advance(nowMs());
    const now = nowMs();
    const atMs = Math.min(
      this.#keeper.nextAtMs(now),
      this.#keeper.standingChangesAtMs(),
      this.allocation.node.nextAtMs(now),
    );
    clearTimeout(this.#timer);
    const delayMs = Math.min(Math.max(0, atMs - now), LONGEST_SLEEP_MS);
    this.#timer = setTimeout(() => this.#work(), Math.ceil(delayMs));
  }

  #sessionDue(nowMs: number): void {
    if (this.#keeper.isOver()) {
      this.#options.onNotice('the session of this pod was lost: its connections are closed', {});
      this.#options.onFenced();
      this.#keeper.replace();
      this.#listen();
      this.allocation.fenced(nowMs);
    }
    const held = nowMs >= this.#keeper.validUntilMs();
    if (held !== this.#held) {
      this.#held = held;
      if (held) this.#options.onNotice('NATS does not acknowledge: nothing new is sent until it does', {});
      else this.#options.onShared(this.#keeper.id);
      this.allocation.standingChanged();
    }
    const renewal = this.#keeper.due(nowMs);
    if (renewal === undefined) return;
    this.#store.renew(renewal).then(
      () => {
        this.#keeper.acknowledged(renewal);
        this.#workSoon();
      },
      () => {},
    );
  }

  #publish(subject: string, data: Uint8Array): void {
    // What cannot be sent now is sent again by the conversation; buffering it would only make it old.
    const { connection } = this.#options;
    if (connection.isClosed() || this.#closed) return;
    connection.publish(subject, data);
  }

  #leaderSubject(shard: number, term: number): string {
    return `${this.#options.prefix}.shape.leader.${shard}.${term}`;
  }

  #podSubject(session: string): string {
    return `${this.#options.prefix}.shape.pod.${session}`;
  }
}

const LEAVE_LOOK_MS = 10;

/** Who leads this shard removes dead sessions from the store. */
const TIDYING_SHARD = 0;
