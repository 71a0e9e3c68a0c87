import {
  type Allocation,
  type AllocationPort,
  InProcessAllocation,
  type ReceiveEffect,
  type RoutedKey,
} from '../allocation-port.ts';
import { Allocator } from '../allocator.ts';
import type { AllocatorEffect, ClientId } from '../effect.ts';
import type { Hit, HitCounting } from '../hit-counting.ts';
import type { PodSessions } from './pod-sessions.ts';
import type { ShardClient } from './shard-client.ts';
import { type ShardNetwork, ShardNode } from './shard-node.ts';
import { shardOf } from './shard-number.ts';
import { SlotDesk } from './slot-desk.ts';

/**
 * The limits of a pod as part of a cluster: rates at the shard of their key, slots by the desk, limits with `scope: Pod` at an allocator of its
 * own. Pure; `onWork` is called when the node has something to do, and `arrived` tells what came of it.
 */
export class ShardedAllocation implements Allocation, HitCounting {
  readonly node: ShardNode;
  readonly #sessions: PodSessions;
  readonly #onWork: () => void;
  readonly #desk: SlotDesk;
  readonly #local = new InProcessAllocation(new Allocator());
  readonly #shards = new WeakMap<RoutedKey, number>();
  #localPort: AllocationPort | undefined;
  #receive: ReceiveEffect = () => {};
  #arrived: () => void = () => {};
  #received = false;

  constructor(sessions: PodSessions, network: ShardNetwork, onWork: () => void) {
    this.#sessions = sessions;
    this.#onWork = onWork;
    this.node = new ShardNode(sessions, network, (effect, nowMs) => this.#fromShard(effect, nowMs));
    this.#desk = new SlotDesk(
      (key) => this.#portOf(key),
      (effect, nowMs) => this.#pass(effect, nowMs),
    );
  }

  join(client: ClientId, receive: ReceiveEffect, arrived: () => void = () => {}): AllocationPort {
    this.#receive = receive;
    this.#arrived = arrived;
    const local = this.#local.join(client, (effect, nowMs) => this.#fromShard(effect, nowMs));
    this.#localPort = local;
    const desk = this.#desk;
    const worked = <Arguments extends readonly unknown[]>(
      run: (...args: Arguments) => void,
    ): ((...args: Arguments) => void) => {
      return (...args) => {
        run(...args);
        this.#onWork();
      };
    };
    return {
      bind: worked((key, nowMs) => this.#portOf(key).bind(key, nowMs)),
      demandSlots: worked((id, keys, urgency, nowMs) => desk.demandSlots(id, keys, urgency, nowMs)),
      cancelSlots: worked((id, nowMs) => desk.cancelSlots(id, nowMs)),
      releaseSlots: worked((grant, nowMs) => desk.releaseSlots(grant, nowMs)),
      demandRate: worked((key, name, demand, nowMs) =>
        this.#portOf(key).demandRate(key, name, demand, nowMs),
      ),
      giveBack: worked((keyId, name, part, nowMs) => {
        const at = this.node.clients.find((each) => each.knows(keyId)) ?? local;
        at.giveBack(keyId, name, part, nowMs);
      }),
      advance: (nowMs) => {
        local.advance(nowMs);
        desk.advance(nowMs);
        this.#onWork();
      },
      nextAtMs: () => Math.min(local.nextAtMs() ?? Number.POSITIVE_INFINITY, desk.nextAtMs()),
      heldFromMs: () => this.#sessions.validUntilMs(),
      look: (key, nowMs) =>
        key.podOnly ? local.look(key, nowMs) : this.node.look(shardOf(key), key.id, nowMs),
      leave: () => {},
    };
  }

  /** Counted by the leader of the hit's destination, together with those of all pods. */
  hit(hit: Hit, nowMs: number): Promise<boolean> {
    const { key: id, shard } = hit;
    const answer = this.#clientOf(shardOf({ id, shard })).hit(hit, nowMs);
    this.#onWork();
    return answer;
  }

  /** Lets the node do what is due; to be called when its time has come and after anything arrived. */
  advance(nowMs: number): void {
    this.node.advance(nowMs);
    if (!this.#received) return;
    this.#received = false;
    this.#arrived();
  }

  /** Something may be started again, or nothing any more. */
  standingChanged(): void {
    this.#arrived();
  }

  /** The session was lost, everything that was open is closed, and `sessions.id` is a new one. */
  fenced(nowMs: number): void {
    this.node.fenced(nowMs);
    this.#desk.fenced(nowMs);
    this.#pass({ type: 'lost', client: '' }, nowMs);
    this.#arrived();
  }

  #portOf(key: RoutedKey): AllocationPort | ShardNode['clients'][number] {
    if (key.podOnly && this.#localPort !== undefined) return this.#localPort;
    let shard = this.#shards.get(key);
    if (shard === undefined) {
      shard = shardOf(key);
      this.#shards.set(key, shard);
    }
    return this.#clientOf(shard);
  }

  #clientOf(shard: number): ShardClient {
    const client = this.node.clients[shard];
    if (client === undefined) throw new Error(`no shard ${shard}`);
    return client;
  }

  #fromShard(effect: AllocatorEffect, nowMs: number): void {
    if ('rate' in effect || effect.type === 'lost') this.#pass(effect, nowMs);
    else this.#desk.receive(effect, nowMs);
  }

  #pass(effect: AllocatorEffect, nowMs: number): void {
    this.#received = true;
    this.#receive(effect, nowMs);
  }
}
