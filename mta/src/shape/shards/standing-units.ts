import type { RoutedKey, SlotPort } from '../allocation-port.ts';
import { Heap } from '../heap.ts';
import { goesBefore, type InLine } from '../turn-order.ts';

/** A unit of a broad key that nobody of this pod uses goes back after this long. */
export const UNIT_IDLE_MS = 10_000;

/** Who waits for a unit. */
export interface UnitWaiter extends InLine {
  readonly priority: number;
  readonly sinceMs: number;
}

/**
 * Slots of one key that this pod holds for whichever of its connections needs them: a standing share. It grows by what is asked for and shrinks
 * when other pods want some or when they idle. A unit that comes free goes back if others wait: then this pod's own stand in the same line.
 */
export class StandingUnits<Waiter extends UnitWaiter> {
  readonly key: RoutedKey;
  readonly port: SlotPort;
  readonly line = new Heap<Waiter>(goesBefore);
  /** Grants that nobody uses. */
  readonly #free: number[] = [];
  /** Demands that are open, by their number. */
  readonly #asked: number[] = [];
  readonly #newDemand: (units: StandingUnits<Waiter>) => number;
  #used = 0;
  /** So many of other pods wait. */
  #wantedByOthers = 0;
  #idleSinceMs = 0;

  /** `newDemand` gives a number that leads back here when it is granted. */
  constructor(key: RoutedKey, port: SlotPort, newDemand: (units: StandingUnits<Waiter>) => number) {
    this.key = key;
    this.port = port;
    this.#newDemand = newDemand;
  }

  get hasFree(): boolean {
    return this.#free.length > 0;
  }

  get atRest(): boolean {
    return this.#free.length === 0 && this.#used === 0 && this.#asked.length === 0 && this.line.size === 0;
  }

  /** A demand of these units is open: a grant may still come for it. */
  asks(demand: number): boolean {
    return this.#asked.includes(demand);
  }

  /** Nobody of this pod is before `waiter`. */
  admits(waiter: Waiter): boolean {
    const first = this.line.first;
    return this.hasFree && (first === undefined || first === waiter || goesBefore(waiter, first));
  }

  take(): number | undefined {
    const grant = this.#free.pop();
    if (grant !== undefined) this.#used++;
    return grant;
  }

  /** A unit is not used any more. */
  put(grant: number, nowMs: number): void {
    this.#used--;
    if (this.#wantedByOthers > 0) {
      this.#wantedByOthers--;
      this.port.releaseSlots(grant, nowMs);
    } else {
      this.#free.push(grant);
      this.#idleSinceMs = nowMs;
    }
  }

  /** The allocator gave one. */
  granted(demand: number, grant: number, nowMs: number): void {
    const index = this.#asked.indexOf(demand);
    if (index >= 0) this.#asked.splice(index, 1);
    this.#free.push(grant);
    this.#idleSinceMs = nowMs;
  }

  /** So many wait for this key in the whole cluster. */
  wanted(waiting: number, nowMs: number): void {
    this.#wantedByOthers = Math.max(0, waiting - this.#asked.length);
    while (this.#wantedByOthers > 0) {
      const grant = this.#free.pop();
      if (grant === undefined) return;
      this.#wantedByOthers--;
      this.port.releaseSlots(grant, nowMs);
    }
  }

  /** As many are asked for as wait here. */
  settle(nowMs: number): void {
    const lacking = this.line.size - this.#free.length;
    const first = this.line.first;
    while (first !== undefined && this.#asked.length < lacking) {
      const demand = this.#newDemand(this);
      this.#asked.push(demand);
      const urgency = { priority: first.priority, waitedMs: nowMs - first.sinceMs };
      this.port.demandSlots(demand, [this.key], urgency, nowMs);
    }
    while (this.#asked.length > Math.max(0, lacking)) {
      const demand = this.#asked.pop();
      if (demand !== undefined) this.port.cancelSlots(demand, nowMs);
    }
  }

  /** Gives back what nobody uses and asks for no more. */
  drop(nowMs: number): void {
    for (const demand of this.#asked.splice(0)) this.port.cancelSlots(demand, nowMs);
    for (const grant of this.#free.splice(0)) this.port.releaseSlots(grant, nowMs);
  }

  releaseIdle(nowMs: number): void {
    if (this.line.size > 0 || nowMs < this.#idleSinceMs + UNIT_IDLE_MS) return;
    for (let grant = this.#free.pop(); grant !== undefined; grant = this.#free.pop())
      this.port.releaseSlots(grant, nowMs);
  }
}
