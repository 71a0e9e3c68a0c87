import type { JournalBatch } from '../journal-record.ts';
import type { Store } from '../place.ts';
import { Agenda } from './agenda.ts';
import type { Judge } from './judge.ts';
import { Random } from './random.ts';
import { SimulatedStream } from './stream.ts';

/** What lies in SPOOL and DEFER: a message, or a marker (no groups). */
export interface SimulatedMessage {
  readonly id: string;
  readonly groups: number;
}

/** The value of a session's key, as all pods see it a little later. */
export interface SessionValue {
  readonly session: string;
  readonly renewals: number;
  readonly sentAtMs: number;
  readonly segments: readonly number[];
  readonly ended: boolean;
  /** It gives everything up and takes nothing. */
  readonly draining: boolean;
}

/** How often the network fails; probabilities per request. */
export interface NetworkTroubles {
  readonly lostRequest: number;
  readonly lostAnswer: number;
  readonly duplicated: number;
  /** A request that takes up to `slowMs` instead of milliseconds. */
  readonly slow: number;
  readonly slowMs: number;
  /** A read from a replica that is behind. */
  readonly stale: number;
  readonly staleMs: number;
}

/** A client's end of the network: whether something reaches it now, and how it is told. */
export interface NetworkClient {
  readonly name: string;
  /** Runs when the process runs: at once, after its pause, never after its death. */
  run(work: () => void, isTimer?: boolean): void;
  readonly session: string;
}

export const CALM: NetworkTroubles = {
  lostRequest: 0,
  lostAnswer: 0,
  duplicated: 0,
  slow: 0,
  slowMs: 0,
  stale: 0,
  staleMs: 0,
};

interface Watcher {
  readonly client: NetworkClient;
  readonly receive: (value: SessionValue) => void;
  /** It begins anew. */
  readonly interrupted: () => void;
  /** All last values were given, and nothing was missed since. */
  readonly began: () => void;
  isCut: boolean;
}

/** What a server that has no quorum says. */
export const NO_ANSWER = Symbol('no answer');

/** A simulated JetStream, the bucket of sessions, and the network to them. */
export class Cluster {
  readonly agenda = new Agenda();
  readonly random: Random;
  readonly stores: Readonly<Record<Store, SimulatedStream<SimulatedMessage>>> = {
    spool: new SimulatedStream(),
    defer: new SimulatedStream(),
  };
  readonly journal = new SimulatedStream<JournalBatch>();
  readonly judge: Judge;
  troubles: NetworkTroubles = CALM;
  isDown = false;
  /** Connections end with a power loss, and with them what is under way. */
  powerLosses = 0;
  isReadOnly = false;
  readonly partitioned = new Set<string>();
  /** Their watch of sessions stands still. */
  readonly deaf = new Set<string>();
  /** Messages that end whoever sends them. */
  readonly poison = new Set<string>();
  readonly #watchers = new Map<string, Watcher>();
  readonly #sessions = new Map<string, SessionValue>();

  constructor(seed: number, judge: Judge) {
    this.random = new Random(seed);
    this.judge = judge;
  }

  get nowMs(): number {
    return this.agenda.nowMs;
  }

  isReachable(name: string): boolean {
    return !this.isDown && !this.partitioned.has(name);
  }

  /** One request: `execute` at the server, then `answer` at the client, or `timedOut` there. */
  request<Answer>(
    client: NetworkClient,
    execute: () => Answer | typeof NO_ANSWER,
    answer: (result: Answer) => void,
    timeoutMs: number,
    timedOut: () => void,
    /** It lies in a buffer for so long before it is under way. */
    heldUpMs = 0,
  ): void {
    const { random, troubles, agenda } = this;
    const { session } = client;
    const { powerLosses } = this;
    let isOpen = true;
    agenda.after(timeoutMs, () =>
      client.run(() => {
        if (!isOpen || client.session !== session) return;
        isOpen = false;
        timedOut();
      }, true),
    );
    const copies = random.chance(troubles.duplicated) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (!this.isReachable(client.name) || random.chance(troubles.lostRequest)) continue;
      agenda.after(heldUpMs + this.#delayMs(), () => {
        if (this.isDown || this.powerLosses !== powerLosses) return;
        const result = execute();
        if (result === NO_ANSWER || !this.isReachable(client.name) || random.chance(troubles.lostAnswer))
          return;
        agenda.after(this.#delayMs(), () =>
          client.run(() => {
            if (!isOpen || client.session !== session) return;
            isOpen = false;
            answer(result);
          }),
        );
      });
    }
  }

  /** How far the replica is behind that serves a read. */
  lagMs(): number {
    return this.random.chance(this.troubles.stale) ? this.random.between(0, this.troubles.staleMs) : 0;
  }

  watch(client: NetworkClient, watcher: Omit<Watcher, 'client' | 'isCut'>): void {
    this.#watchers.set(client.name, { client, ...watcher, isCut: true });
    this.reconnected(client);
  }

  unwatch(name: string): void {
    this.#watchers.delete(name);
  }

  renew(value: SessionValue): void {
    const before = this.#sessions.get(value.session);
    if (before !== undefined && before.renewals >= value.renewals) return;
    this.#sessions.set(value.session, value);
    for (const watcher of this.#watchers.values()) {
      const { client, receive } = watcher;
      if (!this.#hears(client)) watcher.isCut = true;
      if (!watcher.isCut) this.#tell(watcher, () => receive(value));
    }
  }

  /** A watch that was cut off begins anew: with the last value of each session. */
  reconnected(client: NetworkClient): void {
    const watcher = this.#watchers.get(client.name);
    if (watcher === undefined || !this.#hears(client)) return;
    watcher.isCut = false;
    this.#tell(watcher, watcher.interrupted);
    for (const value of this.#sessions.values()) this.#tell(watcher, () => watcher.receive(value));
    this.#tell(watcher, watcher.began);
  }

  #hears({ name }: NetworkClient): boolean {
    return this.isReachable(name) && !this.deaf.has(name);
  }

  /** In order, as on one connection: the same delay for all keeps it. */
  #tell(watcher: Watcher, receive: () => void): void {
    const { client } = watcher;
    const { session } = client;
    this.agenda.after(5, () => {
      if (!this.#hears(client)) watcher.isCut = true;
      if (watcher.isCut) return;
      client.run(() => {
        if (client.session === session) receive();
      });
    });
  }

  #delayMs(): number {
    const { random, troubles } = this;
    return random.chance(troubles.slow) ? random.between(0, troubles.slowMs) : random.between(0.5, 4);
  }
}
