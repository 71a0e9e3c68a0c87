import { createShaper } from '../../shaper.ts';
import type { LeaderEntry, LeaderWrite } from '../../shards/leadership.ts';
import { type LevelEntry, LevelLedger, type LevelStore } from '../../shards/level-ledger.ts';
import type { PodSessions } from '../../shards/pod-sessions.ts';
import { type Renewal, SessionKeeper } from '../../shards/session-keeper.ts';
import type { LevelRecord } from '../../shards/shard-leader.ts';
import type { FromLeader, ToLeader } from '../../shards/shard-message.ts';
import type { ShardNetwork } from '../../shards/shard-node.ts';
import { ShardedAllocation } from '../../shards/sharded-allocation.ts';
import { type LaneLoad, SimulatedPod } from '../simulated-pod.ts';
import type { SimulatedBus } from './simulated-bus.ts';
import type { SimulatedProcess } from './simulated-process.ts';
import type { SimulatedStore, StoreChange } from './simulated-store.ts';

/** How often a pod that takes the living for dead does so, at a renewal. */
const MISTAKES = 0.2;

/** What stands in the store. */
export type StoreValue =
  | { readonly kind: 'shard'; readonly shard: number; readonly entry: LeaderEntry }
  | { readonly kind: 'session'; readonly renewal: Renewal }
  /** `storedAtMs` as a server notes it. */
  | { readonly kind: 'level'; readonly entry: LevelEntry; readonly storedAtMs: number };

export type BusMessage =
  | { readonly kind: 'toLeader'; readonly message: ToLeader }
  | { readonly kind: 'fromLeader'; readonly message: FromLeader };

/**
 * A rule that a pod breaks, to show that the judge sees it: leads without hearing the others, spends without a valid session, takes a living
 * session for dead, or takes slow rates for full whatever stands written.
 */
export type BrokenRule = 'Registration' | 'Hold' | 'Death' | 'Levels';

export interface World {
  readonly store: SimulatedStore<StoreValue>;
  readonly bus: SimulatedBus<BusMessage>;
  /** Time of the store. */
  readonly serverMs: () => number;
  readonly latenessMs: () => number;
  readonly random: () => number;
  readonly broken?: BrokenRule | undefined;
}

/** A pod as in production: the real shaper, node and sessions, on a simulated network, with a clock of its own. */
export class ShardedPod implements ShardNetwork {
  readonly process: SimulatedProcess;
  readonly pod: SimulatedPod;
  readonly allocation: ShardedAllocation;
  readonly keeper: SessionKeeper;
  readonly #world: World;
  readonly #ledger: LevelLedger;
  #sessions = 0;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #working = false;

  constructor(process: SimulatedProcess, world: World) {
    this.process = process;
    this.#world = world;
    this.keeper = new SessionKeeper({
      newId: () => `${process.name}.${++this.#sessions}`,
      clocks: () => ({ monotonicMs: process.nowMs, wallMs: process.nowMs }),
    });
    this.allocation = new ShardedAllocation(this.#seenSessions(), this, () => this.#work());
    const { node } = this.allocation;
    this.#ledger = new LevelLedger(
      this.#levels(),
      (address, found) => {
        const stored = found === undefined ? undefined : { ...found.entry, elapsedMs: found.elapsedMs };
        node.loaded(address, stored, process.nowMs);
        this.#work();
      },
      (address) => {
        node.saved(address);
        this.#work();
      },
    );
    const shaper = createShaper({
      client: process.name,
      allocation: this.allocation,
      onArrived: () => this.pod.arm(),
      onSlotWanted: ({ id }) => this.pod.slotWanted(id, true),
      onSlotServed: ({ id }) => this.pod.slotWanted(id, false),
    });
    this.pod = new SimulatedPod(shaper, process, world.latenessMs);
    this.#listen();
    world.store.watch(
      process,
      (change, nowMs) => this.#observed(change, nowMs),
      () => {
        this.keeper.began(process.nowMs);
        this.allocation.node.ready();
        this.#work();
      },
    );
    this.#work();
  }

  /** It leads a shard. */
  get leads(): boolean {
    return this.allocation.node.state(this.process.nowMs).ledShards > 0;
  }

  addLane(load: LaneLoad): void {
    this.pod.addLane(load);
  }

  toLeader(message: ToLeader): void {
    this.#world.bus.publish(this.process, `leader.${message.shard}.${message.term}`, {
      kind: 'toLeader',
      message,
    });
  }

  toPod(message: FromLeader): void {
    this.#world.bus.publish(this.process, `pod.${message.session}`, { kind: 'fromLeader', message });
  }

  lead(shard: number, term: number, leads: boolean): void {
    const subject = `leader.${shard}.${term}`;
    if (!leads) {
      this.#ledger.forget(shard, term);
      this.#world.bus.unsubscribe(subject);
      return;
    }
    this.#world.bus.subscribe(subject, this.process, (sent, nowMs) => {
      if (sent.kind === 'toLeader') this.allocation.node.fromPod(sent.message, nowMs);
      this.#work();
    });
  }

  write({ shard, entry, onRevision }: LeaderWrite): void {
    this.#world.store.put(
      this.process,
      `shard.${shard}`,
      { kind: 'shard', shard, entry },
      onRevision,
      (change, nowMs) => {
        if (change === undefined) this.allocation.node.refused(shard);
        else this.#observed(change, nowMs);
        this.#work();
      },
    );
  }

  record(shard: number, term: number, record: LevelRecord): void {
    this.#ledger.record(shard, term, record);
  }

  #levels(): LevelStore {
    const { store, serverMs, broken } = this.#world;
    return {
      read: (name, found) =>
        store.get(this.process, `level.${name}`, (change) => {
          if (change?.value.kind !== 'level') return found(undefined);
          const { entry: written, storedAtMs } = change.value;
          const entry = broken === 'Levels' ? { ...written, level: 1, out: false } : written;
          return found({ entry, revision: change.revision, elapsedMs: serverMs() - storedAtMs });
        }),
      write: (name, entry, onRevision, stored) => {
        const value: StoreValue = { kind: 'level', entry, storedAtMs: serverMs() };
        store.put(this.process, `level.${name}`, value, onRevision, (change) => stored(change?.revision));
      },
      after: (delayMs, run) => this.process.at(this.process.nowMs + delayMs, run),
    };
  }

  /** After anything happened: does what is due, and sets the timer for the rest. */
  #work(): void {
    if (this.#working) return;
    this.#working = true;
    this.process.at(this.process.nowMs, (nowMs) => {
      this.#working = false;
      this.#sessionDue(nowMs);
      this.allocation.advance(nowMs);
      this.pod.arm();
      this.#arm();
    });
  }

  #arm(): void {
    const { nowMs } = this.process;
    const standing = this.keeper.isOver() ? nowMs : this.keeper.standingChangesAtMs();
    const atMs = Math.min(this.keeper.nextAtMs(nowMs), this.allocation.node.nextAtMs(nowMs), standing);
    if (atMs >= this.#timerAtMs || atMs === Number.POSITIVE_INFINITY) return;
    this.#timerAtMs = atMs;
    this.process.at(Math.max(atMs, nowMs) + this.#world.latenessMs(), () => {
      if (this.#timerAtMs !== atMs) return;
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      this.#work();
    });
  }

  #sessionDue(nowMs: number): void {
    if (this.keeper.isOver()) {
      if (this.#world.broken !== 'Hold') this.pod.destroySockets();
      this.keeper.replace();
      this.#listen();
      this.allocation.fenced(nowMs);
      this.pod.reconnect(nowMs);
    }
    const renewal = this.keeper.due(nowMs);
    if (renewal === undefined) return;
    this.#world.store.put(
      this.process,
      `session.${renewal.session}`,
      { kind: 'session', renewal },
      undefined,
      () => {
        this.keeper.acknowledged(renewal);
        this.#mistakeForDead();
        this.#work();
      },
    );
  }

  #mistakeForDead(): void {
    const { broken, random } = this.#world;
    if (broken !== 'Death' || random() > MISTAKES) return;
    const others = this.keeper.living().filter((session) => session !== this.keeper.id);
    const mistaken = others[Math.floor(random() * others.length)];
    if (mistaken !== undefined) this.allocation.node.sessionDied(mistaken, this.process.nowMs);
  }

  #seenSessions(): PodSessions {
    const { keeper } = this;
    const { broken } = this.#world;
    if (broken === undefined) return keeper;
    return {
      get id() {
        return keeper.id;
      },
      validUntilMs: () => (broken === 'Hold' ? Number.POSITIVE_INFINITY : keeper.validUntilMs()),
      living: () => (broken === 'Registration' ? [keeper.id] : keeper.living()),
      get changes() {
        return keeper.changes;
      },
      isLiving: (session) => keeper.isLiving(session),
      isDead: (session) => keeper.isDead(session),
      expect: (session, nowMs) => keeper.expect(session, nowMs),
      readUntilMs: () => keeper.readUntilMs(),
      renewSoon: () => keeper.renewSoon(),
    };
  }

  #listen(): void {
    this.#world.bus.subscribe(`pod.${this.keeper.id}`, this.process, (sent, nowMs) => {
      if (sent.kind === 'fromLeader') this.allocation.node.fromLeader(sent.message, nowMs);
      this.#work();
    });
  }

  #observed({ value, revision }: StoreChange<StoreValue>, nowMs: number): void {
    if (value.kind === 'shard') {
      this.allocation.node.observed(value.shard, { ...value.entry, revision }, nowMs);
    } else if (value.kind === 'session') {
      for (const died of this.keeper.observed(value.renewal, nowMs))
        this.allocation.node.sessionDied(died, nowMs);
    }
    this.#work();
  }
}
