import type { ReceiveEffect } from '../allocation-port.ts';
import type { LedView } from '../key-view.ts';
import type { RateName } from '../limit-key.ts';
import { Leadership, type LeaderWrite, type StoredEntry } from './leadership.ts';
import type { PodSessions } from './pod-sessions.ts';
import { ShardClient } from './shard-client.ts';
import { type LevelRecord, ShardLeader, type StoredLevel } from './shard-leader.ts';
import type { FromLeader, ToLeader } from './shard-message.ts';
import { SHARDS } from './shard-number.ts';

/** Leaders to be are looked for this often. */
export const LOOK_EVERY_MS = 500;

/** What a node does to the world. Nothing of it needs to arrive, and answers come back by the node's own methods. */
export interface ShardNetwork {
  /** To whoever leads this shard in this term. */
  toLeader(message: ToLeader): void;
  /** To a pod, by its session. */
  toPod(message: FromLeader): void;
  /** Answered by `observed` or `refused`. */
  write(write: LeaderWrite): void;
  /** Answered by `loaded` or `saved`; tried until it succeeds or the term is over. */
  record(shard: number, term: number, record: LevelRecord): void;
  /** Messages to the leader of this shard and term are wanted from now on, or no longer. */
  lead(shard: number, term: number, leads: boolean): void;
}

/** Whose level, in the eyes of which leader. */
export interface LevelAddress {
  readonly shard: number;
  readonly term: number;
  readonly keyId: string;
  readonly rate: RateName;
}

interface Led {
  readonly leader: ShardLeader;
  readonly takenAtMs: number;
  expected: boolean;
}

export interface NodeState {
  /** Under which other pods know this one's limits. */
  readonly session: string;
  /** Nothing may be started: the session is not valid. */
  readonly held: boolean;
  /** Shards whose leader does not answer or does not grant: what this pod holds of them is all that it uses. */
  readonly degradedShards: number;
  readonly ledShards: number;
}

/**
 * Everything of one pod that shares limits with others: its client of each shard, the shards that it leads, and which those are. Pure: the
 * world is a {@link ShardNetwork}, and time is handed in.
 */
export class ShardNode {
  readonly clients: readonly ShardClient[];
  readonly #sessions: PodSessions;
  readonly #network: ShardNetwork;
  readonly #leadership: Leadership;
  readonly #led = new Map<number, Led>();
  /** Clients that have something to say, or wait for an acknowledgement. */
  readonly #talking = new Set<ShardClient>();
  #session: string;
  #lookAtMs = Number.NEGATIVE_INFINITY;
  #ready = false;

  constructor(sessions: PodSessions, network: ShardNetwork, receive: ReceiveEffect) {
    this.#sessions = sessions;
    this.#network = network;
    this.#session = sessions.id;
    this.#leadership = new Leadership(sessions);
    const talks = (client: ShardClient): void => void this.#talking.add(client);
    this.clients = Array.from({ length: SHARDS }, (_, shard) => new ShardClient(shard, receive, talks));
  }

  /** The store has been read as it stands: a shard without an entry has no leader. */
  ready(): void {
    this.#ready = true;
  }

  state(nowMs: number): NodeState {
    return {
      session: this.#session,
      held: nowMs >= this.#sessions.validUntilMs(),
      degradedShards: this.clients.filter((client) => client.isDegraded(nowMs)).length,
      ledShards: this.#led.size,
    };
  }

  leads(shard: number): boolean {
    return this.#led.has(shard);
  }

  /** What the leaders on this pod know of a key; `undefined` = it is led elsewhere, or at rest. */
  inspect(
    shard: number,
    keyId: string,
  ): { readonly connections: number; readonly waiting: number } | undefined {
    return this.#led.get(shard)?.leader.inspect(keyId);
  }

  /** Who leads a key, and what the leader knows if it is on this pod. */
  look(shard: number, keyId: string, nowMs: number): LedView {
    const led = this.#led.get(shard)?.leader;
    const leader = this.#leadership.entry(shard)?.session ?? '';
    const head = { leader, self: this.#session };
    if (led === undefined)
      return { ...head, here: false, granting: this.clients[shard]?.reachable(nowMs) ?? false };
    const key = led.look(keyId, nowMs);
    return { ...head, here: true, granting: led.granting, ...(key !== undefined && { key }) };
  }

  observed(shard: number, entry: StoredEntry, nowMs: number): void {
    if (!this.#leadership.observed(shard, entry)) return;
    const { session, term } = entry;
    const led = this.#led.get(shard);
    if (led !== undefined && (led.leader.term !== term || session !== this.#session)) this.#stop(shard);
    if (session === undefined) return;
    this.#sessions.expect(session, nowMs);
    if (session === this.#session && !this.#led.has(shard)) {
      this.#led.set(shard, {
        leader: new ShardLeader(shard, term, term === 1),
        takenAtMs: nowMs,
        expected: false,
      });
      this.#network.lead(shard, term, true);
      this.#sessions.renewSoon();
    }
    this.clients[shard]?.follow(term, nowMs);
  }

  refused(shard: number): void {
    this.#leadership.refused(shard);
  }

  /** A message to a shard that this pod leads. Nothing is decided while the own session is not valid: others may lead it by now. */
  fromPod(message: ToLeader, nowMs: number): void {
    const led = this.#led.get(message.shard);
    if (led === undefined || led.leader.term !== message.term) return;
    if (nowMs >= this.#sessions.validUntilMs() || !this.#sessions.isLiving(message.session)) return;
    led.leader.receive(message, nowMs);
  }

  fromLeader(message: FromLeader, nowMs: number): void {
    if (message.session === this.#session) this.clients[message.shard]?.receive(message, nowMs);
  }

  loaded(
    { shard, term, keyId, rate }: LevelAddress,
    stored: (StoredLevel & { readonly elapsedMs: number }) | undefined,
    nowMs: number,
  ): void {
    this.#ledIn(shard, term)?.loaded(keyId, rate, stored, nowMs);
  }

  saved({ shard, term, keyId, rate }: LevelAddress): void {
    this.#ledIn(shard, term)?.saved(keyId, rate);
  }

  /** Dead by observation, or ended. */
  sessionDied(session: string, nowMs: number): void {
    for (const { leader } of this.#led.values()) leader.clientDied(session, nowMs);
    this.#lookAtMs = nowMs;
  }

  /**
   * The own session was lost, and everything that it had open is closed: `sessions.id` is a new one. Returns after which nothing is held. Who
   * waits must ask again.
   */
  fenced(nowMs: number): void {
    for (const shard of [...this.#led.keys()]) this.#stop(shard);
    this.#session = this.#sessions.id;
    for (const client of this.clients) {
      client.fence(nowMs);
      const entry = this.#leadership.entry(client.shard);
      if (entry?.session !== undefined) client.follow(entry.term, nowMs);
    }
    this.#lookAtMs = nowMs;
  }

  /** Gives up what it leads; `left` tells when that is done. */
  leave(nowMs: number): void {
    this.#leadership.leave();
    this.#lookAtMs = nowMs;
  }

  get left(): boolean {
    return this.#leadership.left;
  }

  nextAtMs(nowMs: number): number {
    let atMs = this.#lookAtMs;
    if (nowMs < this.#sessions.validUntilMs())
      for (const { leader } of this.#led.values()) atMs = Math.min(atMs, leader.nextAtMs());
    for (const client of this.#talking) atMs = Math.min(atMs, client.nextAtMs());
    return atMs;
  }

  /** Does what is due and sends what must leave. */
  advance(nowMs: number): void {
    const valid = nowMs < this.#sessions.validUntilMs();
    if (nowMs >= this.#lookAtMs) {
      this.#lookAtMs = nowMs + LOOK_EVERY_MS;
      if (valid && this.#ready) this.#look(nowMs);
      for (const client of this.clients) client.countAlone(nowMs);
    }
    // What a leader here and a client here tell each other goes to and fro until both are quiet.
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const sent = this.#sendAsClient(nowMs);
      if (!valid || !this.#sendAsLeader(nowMs, round === 0)) {
        if (!sent) return;
      }
    }
  }

  #look(nowMs: number): void {
    for (const led of this.#led.values()) {
      if (led.expected) continue;
      if (this.#sessions.readUntilMs() < led.takenAtMs) continue;
      led.expected = true;
      led.leader.expect(this.#sessions.living(), nowMs);
    }
    for (const write of this.#leadership.writes(nowMs)) {
      // Once it is written somebody else may lead: it must not grant anything from now on.
      if (write.entry.session === undefined) this.#stop(write.shard);
      this.#network.write(write);
    }
  }

  #sendAsClient(nowMs: number): boolean {
    let sent = false;
    for (const client of this.#talking) {
      const atMs = client.nextAtMs();
      if (atMs > nowMs) {
        if (atMs === Number.POSITIVE_INFINITY) this.#talking.delete(client);
        continue;
      }
      const message = client.next(this.#session, nowMs);
      if (message === undefined) continue;
      const led = this.#led.get(message.shard);
      if (led?.leader.term !== message.term) {
        this.#network.toLeader(message);
        continue;
      }
      sent = true;
      this.fromPod(message, nowMs);
    }
    return sent;
  }

  #sendAsLeader(nowMs: number, advance: boolean): boolean {
    let sent = false;
    for (const { leader } of this.#led.values()) {
      if (advance && leader.nextAtMs() <= nowMs) leader.advance(nowMs);
      for (const message of leader.next(nowMs)) {
        if (message.session === this.#session) {
          sent = true;
          this.fromLeader(message, nowMs);
        } else {
          this.#network.toPod(message);
        }
      }
      for (const record of leader.records()) this.#network.record(leader.shard, leader.term, record);
    }
    return sent;
  }

  #stop(shard: number): void {
    const led = this.#led.get(shard);
    if (led === undefined) return;
    this.#led.delete(shard);
    this.#network.lead(shard, led.leader.term, false);
  }

  #ledIn(shard: number, term: number): ShardLeader | undefined {
    const leader = this.#led.get(shard)?.leader;
    return leader?.term === term ? leader : undefined;
  }
}

/** Of talk between a leader and a client on the same pod in one turn of the event loop. */
const MAX_ROUNDS = 8;
