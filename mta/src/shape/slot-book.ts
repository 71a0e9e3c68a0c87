import type { AllocatorEffect, ClientId } from './effect.ts';
import type { SlotDemand, Slots } from './slots.ts';

/**
 * A demand for slots of several keys takes all of them or none, so that it holds nothing while it waits. One that has waited this long
 * may hold on to what gets free, key by key, because otherwise demands for single keys could overtake it for ever.
 */
export const CLAIM_AFTER_MS = 5_000;

/**
 * Grants of slots over all keys.
 *
 * Invariant: a key that has a free slot has nobody in its line (while a release frees several keys, the lines of all are respected). Claims are made in one order of keys for everybody, and only one demand
 * may claim a key at a time: so claimants never wait for each other in a circle.
 */
export class SlotBook {
  readonly #emit: (effect: AllocatorEffect) => void;
  readonly #grants = new Map<ClientId, Map<number, readonly Slots[]>>();
  readonly #demands = new Map<ClientId, Map<number, SlotDemand>>();
  #lastGrant: number;

  constructor(emit: (effect: AllocatorEffect) => void, grantsAfter: number) {
    this.#emit = emit;
    this.#lastGrant = grantsAfter;
  }

  /** A grant of a former book. */
  restore(client: ClientId, grant: number, keys: readonly Slots[], nowMs: number): void {
    const ofClient = this.#grants.get(client) ?? new Map<number, readonly Slots[]>();
    if (ofClient.has(grant)) return;
    this.#grants.set(client, ofClient.set(grant, keys));
    for (const slots of keys) {
      slots.inUse++;
      slots.occupy(client, nowMs);
    }
  }

  demand(demand: SlotDemand, nowMs: number): void {
    this.cancel(demand.client, demand.id, nowMs);
    let ofClient = this.#demands.get(demand.client);
    if (ofClient === undefined) {
      ofClient = new Map();
      this.#demands.set(demand.client, ofClient);
    }
    ofClient.set(demand.id, demand);
    for (const slots of demand.keys) slots.named++;
    this.#tryGrant(demand, nowMs);
  }

  cancel(client: ClientId, id: number, nowMs: number): void {
    const demand = this.#demands.get(client)?.get(id);
    if (demand === undefined) return;
    this.#forget(demand);
    const { waitingAt } = demand;
    waitingAt?.dequeue(demand);
    if (waitingAt !== undefined) this.#tellWhetherServed(waitingAt);
    for (let index = 0; index < demand.claimed; index++) {
      const slots = demand.keys[index];
      if (slots === undefined) continue;
      slots.inUse--;
      slots.claimant = undefined;
      this.serve(slots, nowMs);
    }
  }

  /** A grant that is not known (released before, or by the death of its client) changes nothing. */
  release(client: ClientId, grantId: number, nowMs: number): void {
    const ofClient = this.#grants.get(client);
    const keys = ofClient?.get(grantId);
    if (ofClient === undefined || keys === undefined) return;
    ofClient.delete(grantId);
    if (ofClient.size === 0) this.#grants.delete(client);
    for (const slots of keys) slots.vacate(client);
    for (const slots of keys) this.serve(slots, nowMs);
  }

  removeClient(client: ClientId, nowMs: number): void {
    for (const id of [...(this.#demands.get(client)?.keys() ?? [])]) this.cancel(client, id, nowMs);
    for (const id of [...(this.#grants.get(client)?.keys() ?? [])]) this.release(client, id, nowMs);
  }

  /** Gives free slots of a key to those who wait, in order, as many as can go. */
  serve(slots: Slots, nowMs: number): void {
    while (slots.free) {
      const demand = slots.next();
      if (demand === undefined) break;
      slots.dequeue(demand);
      demand.waitingAt = undefined;
      this.#tryGrant(demand, nowMs);
    }
    this.#tellWhetherServed(slots);
  }

  #tryGrant(demand: SlotDemand, nowMs: number): void {
    const full = firstFull(demand);
    if (full === undefined) {
      this.#grant(demand, nowMs);
      return;
    }
    if (nowMs - demand.registeredAtMs >= CLAIM_AFTER_MS) claimWhatIsFree(demand);
    demand.waitingAt = full;
    full.enqueue(demand);
    this.#emit({ type: 'queued', client: demand.client, demand: demand.id, keyId: full.keyId });
    this.#tellWanted(full);
  }

  #grant(demand: SlotDemand, nowMs: number): void {
    this.#forget(demand);
    const grant = ++this.#lastGrant;
    for (const [index, slots] of demand.keys.entries()) {
      if (index < demand.claimed) slots.claimant = undefined;
      else slots.inUse++;
      slots.occupy(demand.client, nowMs);
    }
    let ofClient = this.#grants.get(demand.client);
    if (ofClient === undefined) {
      ofClient = new Map();
      this.#grants.set(demand.client, ofClient);
    }
    ofClient.set(grant, demand.keys);
    this.#emit({ type: 'slots', client: demand.client, demand: demand.id, grant });
  }

  #forget(demand: SlotDemand): void {
    for (const slots of demand.keys) slots.named--;
    const ofClient = this.#demands.get(demand.client);
    ofClient?.delete(demand.id);
    if (ofClient?.size === 0) this.#demands.delete(demand.client);
  }

  #tellWanted(slots: Slots): void {
    slots.wanted = true;
    const { keyId, waiting } = slots;
    for (const [client] of slots.heldBy) this.#emit({ type: 'slotWanted', client, keyId, waiting });
  }

  #tellWhetherServed(slots: Slots): void {
    if (slots.waiting > 0) {
      this.#tellWanted(slots);
      return;
    }
    if (!slots.wanted) return;
    slots.wanted = false;
    for (const [client] of slots.heldBy) this.#emit({ type: 'slotServed', client, keyId: slots.keyId });
  }
}

function firstFull(demand: SlotDemand): Slots | undefined {
  for (let index = demand.claimed; index < demand.keys.length; index++) {
    const slots = demand.keys[index];
    if (slots !== undefined && !slots.admits(demand)) return slots;
  }
  return undefined;
}

/** Claims keys in their order up to the first that is full or has a claimant. */
function claimWhatIsFree(demand: SlotDemand): void {
  for (let index = demand.claimed; index < demand.keys.length; index++) {
    const slots = demand.keys[index];
    if (slots === undefined || !slots.admits(demand) || slots.claimant !== undefined) return;
    slots.inUse++;
    slots.claimant = demand;
    demand.claimed = index + 1;
  }
}
