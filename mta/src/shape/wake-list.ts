import { Heap } from './heap.ts';
import { RESERVATION_MS, type Registration } from './registration.ts';
import { goesBefore } from './turn-order.ts';

/** Waiters whose turn has come: those to be told, and those that were told and have not come yet. */
export class WakeList {
  #toWake: Registration[] = [];
  #waking = false;
  readonly #expiring = new Heap<Registration>((one, other) => one.expiresAtMs < other.expiresAtMs);

  /** The waiter's turn has come; it is told by the next `wakeAll`. */
  add(registration: Registration): void {
    this.#toWake.push(registration);
  }

  /** It came, or was forgotten. */
  delete(registration: Registration): void {
    if (this.#toWake.length > 0) this.#toWake = this.#toWake.filter((each) => each !== registration);
    if (registration.expiresAtMs === Number.POSITIVE_INFINITY) return;
    registration.expiresAtMs = Number.POSITIVE_INFINITY;
    this.#expiring.delete(registration);
  }

  get waiting(): boolean {
    return this.#toWake.length > 0;
  }

  nextAtMs(): number {
    return this.#expiring.first?.expiresAtMs ?? Number.POSITIVE_INFINITY;
  }

  /** One that did not come in time. */
  overdue(nowMs: number): Registration | undefined {
    const first = this.#expiring.first;
    return first !== undefined && first.expiresAtMs <= nowMs ? first : undefined;
  }

  /**
   * Wakes in order: class, then age. A waiter may take from inside its `wake`. What is kept for it is kept from now on: one that has not been told
   * yet, because the process stood still meanwhile, must not be forgotten, or it would wait for ever.
   */
  wakeAll(nowMs: number): void {
    if (this.#waking) return;
    this.#waking = true;
    try {
      this.#toWake.sort((one, other) => (goesBefore(one, other) ? -1 : 1));
      for (let next = this.#toWake.shift(); next !== undefined; next = this.#toWake.shift())
        this.#tell(next, nowMs);
    } finally {
      this.#waking = false;
    }
  }

  #tell(registration: Registration, nowMs: number): void {
    if (registration.expiresAtMs !== Number.POSITIVE_INFINITY) this.#expiring.delete(registration);
    registration.expiresAtMs = nowMs + RESERVATION_MS;
    this.#expiring.push(registration);
    registration.waiter.wake(nowMs);
  }
}
