import type { AllocationPort } from './allocation-port.ts';
import type { AllocatorEffect } from './effect.ts';
import type { HeldKey } from './held-key.ts';
import type { HeldKeys, ResolvedKeys } from './held-keys.ts';
import type { LimitKey } from './limit-key.ts';
import type { Registration } from './registration.ts';

/** Told when somebody waits for slots of which this pod holds some; `elsewhere` = of another pod, perhaps beside some of this one. */
export interface SlotSignals {
  readonly onSlotWanted?: ((key: LimitKey, elsewhere: boolean) => void) | undefined;
  readonly onSlotServed?: ((key: LimitKey) => void) | undefined;
}

/** Who of this pod waits for slots. The lines themselves are the allocator's. */
export class SlotLines {
  readonly #port: AllocationPort;
  readonly #held: HeldKeys;
  readonly #wake: (registration: Registration) => void;
  readonly #signals: SlotSignals;
  readonly #demands = new Map<number, Registration>();
  #lastDemand = 0;
  /** The demand that is being made: its answer is looked at by who makes it. */
  #asking: Registration | undefined;
  /** `waiting` = 0: nobody waits any more. */
  #toTell: { readonly key: HeldKey; readonly waiting: number }[] = [];

  constructor(
    port: AllocationPort,
    held: HeldKeys,
    wake: (registration: Registration) => void,
    signals: SlotSignals,
  ) {
    this.#port = port;
    this.#held = held;
    this.#wake = wake;
    this.#signals = signals;
  }

  /** Leaves the slots of the set in `registration.slots`, or says which key is full: then the waiter is in its line. */
  obtain(set: ResolvedKeys, registration: Registration, nowMs: number): HeldKey | undefined {
    if (set.slotKeys.length === 0 || registration.slots?.signature === set.slotSignature) return undefined;
    // It asks again before the allocator has said where it waits: it waits all the same.
    if (registration.demand !== undefined && registration.demandSignature === set.slotSignature)
      return registration.atKey ?? set.slotKeys[0];
    this.drop(registration, nowMs);
    const id = ++this.#lastDemand;
    this.#demands.set(id, registration);
    registration.demand = id;
    registration.demandSignature = set.slotSignature;
    this.#asking = registration;
    const { priority, sinceMs } = registration;
    this.#port.demandSlots(id, set.slotKeys, { priority, waitedMs: nowMs - sinceMs }, nowMs);
    this.#asking = undefined;
    if (registration.slots !== undefined) return undefined;
    return registration.atKey ?? set.slotKeys[0];
  }

  /** Takes the waiter out of its line and gives back what is kept for it. */
  drop(registration: Registration, nowMs: number): void {
    const { demand, slots } = registration;
    this.#standAt(registration, undefined);
    if (demand !== undefined) {
      registration.demand = undefined;
      this.#demands.delete(demand);
      this.#port.cancelSlots(demand, nowMs);
    }
    if (slots !== undefined) {
      registration.slots = undefined;
      this.#port.releaseSlots(slots.grant, nowMs);
    }
  }

  receive(effect: AllocatorEffect, nowMs: number): void {
    if (effect.type === 'slots') {
      const registration = this.#demands.get(effect.demand);
      if (registration === undefined) {
        this.#port.releaseSlots(effect.grant, nowMs);
        return;
      }
      this.#demands.delete(effect.demand);
      registration.demand = undefined;
      registration.slots = { grant: effect.grant, signature: registration.demandSignature };
      this.#standAt(registration, undefined);
      if (registration !== this.#asking) this.#wake(registration);
    } else if (effect.type === 'queued') {
      const registration = this.#demands.get(effect.demand);
      if (registration !== undefined) this.#standAt(registration, this.#held.get(effect.keyId));
    } else if (effect.type === 'slotWanted' || effect.type === 'slotServed') {
      const key = this.#held.get(effect.keyId);
      if (key !== undefined)
        this.#toTell.push({ key, waiting: effect.type === 'slotWanted' ? effect.waiting : 0 });
    }
  }

  /** Passes on what was told, when nothing is under way. */
  tell(): void {
    for (let next = this.#toTell.shift(); next !== undefined; next = this.#toTell.shift()) {
      const { key, waiting } = next;
      if (waiting > 0) this.#signals.onSlotWanted?.(key.limit, waiting > key.slotWaiters);
      else this.#signals.onSlotServed?.(key.limit);
    }
  }

  #standAt(registration: Registration, key: HeldKey | undefined): void {
    if (registration.atKey !== undefined) registration.atKey.slotWaiters--;
    registration.atKey = key;
    if (key !== undefined) key.slotWaiters++;
  }
}
