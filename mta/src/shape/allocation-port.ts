import type { Allocator, AllocatorKey, Urgency } from './allocator.ts';
import type { AllocatorEffect, ClientId, LeasePart } from './effect.ts';
import type { KeyView, LedView } from './key-view.ts';
import type { RateName } from './limit-key.ts';

/** A key with what says where it is led. */
export interface RoutedKey extends AllocatorKey {
  /** Group, else site, else '' (a broad key): the shard that leads it. */
  readonly shard: string;
  /** A limit of this pod alone (`scope: Pod`): no other pod has to know of it. */
  readonly podOnly: boolean;
}

/** The part that deals with slots. */
export interface SlotPort {
  demandSlots(id: number, keys: readonly RoutedKey[], urgency: Urgency, nowMs: number): void;
  cancelSlots(id: number, nowMs: number): void;
  /** May be repeated. */
  releaseSlots(grant: number, nowMs: number): void;
}

/**
 * How a pod talks to the allocator. In-process the effects arrive before the call returns; over a network they arrive later.
 * The pod must not depend on either.
 */
export interface AllocationPort extends SlotPort {
  bind(key: RoutedKey, nowMs: number): void;
  demandRate(
    key: RoutedKey,
    name: RateName,
    demand: Urgency & { readonly cost: number; readonly units: number },
    nowMs: number,
  ): void;
  giveBack(keyId: string, name: RateName, part: LeasePart, nowMs: number): void;
  advance(nowMs: number): void;
  nextAtMs(): number | undefined;
  /** From then on nothing may be spent or opened, until this says a later time; Infinity = no such time. */
  heldFromMs(): number;
  /** What is known here of a key: changes nothing. */
  look(key: RoutedKey, nowMs: number): LedView;
  /** Everything the pod holds comes back. */
  leave(nowMs: number): void;
}

export type ReceiveEffect = (effect: AllocatorEffect, nowMs: number) => void;

/** Gives pods their way to an allocator. */
export interface Allocation {
  /**
   * `receive` is called with every effect for this client, in the order in which they were decided. `arrived` is called after effects that
   * came while no call of the client was under way.
   */
  join(client: ClientId, receive: ReceiveEffect, arrived?: () => void): AllocationPort;
}

/** Connects the pods of one process (one in production, several in tests) with an allocator that is called directly. */
export class InProcessAllocation implements Allocation {
  readonly allocator: Allocator;
  readonly #pods = new Map<ClientId, ReceiveEffect>();
  #delivering = false;

  constructor(allocator: Allocator) {
    this.allocator = allocator;
  }

  join(client: ClientId, receive: ReceiveEffect): AllocationPort {
    const { allocator } = this;
    this.#pods.set(client, receive);
    return {
      bind: (key, nowMs) => {
        allocator.bind(key, nowMs);
        this.#deliver(nowMs);
      },
      demandSlots: (id, keys, urgency, nowMs) => {
        allocator.demandSlots(client, id, keys, urgency, nowMs);
        this.#deliver(nowMs);
      },
      cancelSlots: (id, nowMs) => {
        allocator.cancelSlots(client, id, nowMs);
        this.#deliver(nowMs);
      },
      releaseSlots: (grant, nowMs) => {
        allocator.releaseSlots(client, grant, nowMs);
        this.#deliver(nowMs);
      },
      demandRate: (key, name, demand, nowMs) => {
        allocator.demandRate(client, key, name, demand, nowMs);
        this.#deliver(nowMs);
      },
      giveBack: (keyId, name, part, nowMs) => {
        allocator.giveBack(client, keyId, name, part, nowMs);
        this.#deliver(nowMs);
      },
      advance: (nowMs) => {
        allocator.advance(nowMs);
        this.#deliver(nowMs);
      },
      nextAtMs: () => allocator.nextAtMs(),
      heldFromMs: () => Number.POSITIVE_INFINITY,
      look: ({ id }, nowMs) => ledHere(client, client, allocator.look(id, nowMs)),
      leave: (nowMs) => {
        this.#pods.delete(client);
        allocator.removeClient(client, nowMs);
        this.#deliver(nowMs);
      },
    };
  }

  /** What a pod does on an effect may cause others: they are delivered in the order in which they were decided. */
  #deliver(nowMs: number): void {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      for (let effects = this.allocator.drain(); effects.length > 0; effects = this.allocator.drain()) {
        for (const effect of effects) this.#pods.get(effect.client)?.(effect, nowMs);
      }
    } finally {
      this.#delivering = false;
    }
  }
}

/** The view of an allocator that is called directly. */
export function ledHere(leader: ClientId, self: ClientId, key: KeyView | undefined): LedView {
  return { leader, self, here: true, granting: true, ...(key !== undefined && { key }) };
}
