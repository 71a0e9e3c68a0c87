import type { AllocationPort } from './allocation-port.ts';
import { ROUNDING } from './bucket.ts';
import type { AllocatorEffect } from './effect.ts';
import { Heap } from './heap.ts';
import type { HeldRate } from './held-rate.ts';
import { KEEP_AFTER_MS, type Registration } from './registration.ts';
import { goesBefore } from './turn-order.ts';

/** A pod that holds a part of a rate and wants more says so no more often than this. */
export const DEMAND_EVERY_MS = 100;

/**
 * A line that was just looked at is not looked at again before this, milliseconds. A wall clock in doubles tells no times apart that are
 * closer than 0.0002 ms: what is missing may come sooner than that, and the line would be due for ever.
 */
const LEAST_WAIT_MS = 0.01;

/** Who waits for tokens in this pod, and in which order they get them. */
export class TokenLines {
  readonly #port: AllocationPort;
  readonly #wake: (registration: Registration) => void;
  /** Rates whose line has something to do at a known time. */
  readonly #due = new Heap<HeldRate>((one, other) => one.serveAtMs < other.serveAtMs);

  constructor(port: AllocationPort, wake: (registration: Registration) => void) {
    this.#port = port;
    this.#wake = wake;
  }

  nextAtMs(): number {
    return this.#due.first?.serveAtMs ?? Number.POSITIVE_INFINITY;
  }

  /** Whether `units` may be spent now by this waiter without taking anybody's turn. Asks the allocator for what the pod lacks. */
  admits(rate: HeldRate, units: number, registration: Registration, nowMs: number): boolean {
    if (!rate.covers(units)) {
      this.#demand(rate, units, registration, nowMs);
      if (!rate.covers(units)) return false;
    }
    const first = rate.line.first;
    if (first !== undefined && first !== registration && !registration.reserved.has(rate)) {
      if (goesBefore(first, registration)) return false;
    }
    return rate.availableTo(registration, nowMs) + ROUNDING >= rate.needed(units);
  }

  /** Spends; a single turn goes back to the allocator at once. */
  spend(rate: HeldRate, units: number, nowMs: number): void {
    rate.spend(units);
    if (rate.once) this.#giveBackAll(rate, nowMs);
  }

  /** Puts a waiter in line; `next` of nobody else is taken. */
  join(rate: HeldRate, units: number, registration: Registration, nowMs: number): void {
    registration.atRate = rate;
    registration.units = units;
    rate.line.push(registration);
    rate.lineUnits += units;
    rate.settle();
    if (!rate.whole || !rate.covers(units)) this.#demand(rate, units, registration, nowMs);
    this.#schedule(rate, nowMs);
  }

  leave(registration: Registration, nowMs: number): void {
    const rate = registration.atRate;
    if (rate === undefined) return;
    this.#step(rate, registration);
    this.#letGo(rate, nowMs);
  }

  dropReservation(rate: HeldRate, registration: Registration, nowMs: number): void {
    const units = registration.reserved.get(rate);
    if (units === undefined) return;
    registration.reserved.delete(rate);
    if (rate.keeper === registration) rate.keeper = undefined;
    const rest = rate.reserved - units;
    rate.reserved = rest < ROUNDING ? 0 : rest;
    rate.settle();
    this.#obeyRecall(rate, nowMs);
    this.#letGo(rate, nowMs);
  }

  /** The waiter does not take now what it found here: keeps it if it may, else leaves it to others. */
  keepOrLeave(rate: HeldRate, units: number, registration: Registration, nowMs: number): void {
    if (!this.#keep(rate, units, registration, nowMs)) this.leaveTokens(rate, registration, nowMs);
  }

  /** What was found here is for others. */
  leaveTokens(rate: HeldRate, registration: Registration, nowMs: number): void {
    if (registration.reserved.has(rate)) this.dropReservation(rate, registration, nowMs);
    else this.#letGo(rate, nowMs);
  }

  dropReservations(registration: Registration, nowMs: number): void {
    for (const rate of registration.reserved.keys()) this.dropReservation(rate, registration, nowMs);
  }

  /** Earliest time at which `units` could be there; `undefined` = when the allocator gives something. */
  retryAtMs(rate: HeldRate, units: number, registration: Registration, nowMs: number): number | undefined {
    if (!rate.covers(units)) return rate.turnAtMs;
    const own = registration.reserved.get(rate) ?? 0;
    const waitMs = rate.bucket.waitMs(rate.needed(units) + Math.max(0, rate.reserved - own));
    // What others keep may be more than fits in beside this cost: then it can only be said when the tokens alone are there.
    return nowMs + (Number.isFinite(waitMs) ? waitMs : rate.bucket.waitMs(rate.needed(units)));
  }

  /** Serves every line whose time has come. */
  advance(nowMs: number): void {
    for (let rate = this.#due.first; rate !== undefined && rate.serveAtMs <= nowMs; rate = this.#due.first) {
      this.#due.delete(rate);
      rate.serveAtMs = Number.POSITIVE_INFINITY;
      this.#serve(rate, nowMs);
      if (rate.serveAtMs > nowMs) continue;
      rate.serveAtMs = nowMs + LEAST_WAIT_MS;
      this.#due.push(rate);
    }
  }

  receive(rate: HeldRate, effect: AllocatorEffect & { readonly keyId: string }, nowMs: number): void {
    if (effect.type === 'lease') {
      rate.add(effect, nowMs);
      if (effect.once) rate.demandedAtMs = undefined;
      this.#dueNow(rate, nowMs);
    } else if (effect.type === 'recall') {
      rate.setBurst(effect.burst);
      rate.recall = effect;
      this.#obeyRecall(rate, nowMs);
      this.#dueNow(rate, nowMs);
    } else if (effect.type === 'turn') {
      rate.turnAtMs = nowMs + effect.inMs;
    } else if (effect.type === 'ask') {
      this.#answer(rate, nowMs);
    }
  }

  /** The rate is a limit no longer, or is at rest: what is held goes back and who waits may try again. */
  drop(rate: HeldRate, nowMs: number): void {
    this.#giveBackAll(rate, nowMs);
    this.#due.delete(rate);
    for (let first = rate.line.first; first !== undefined; first = rate.line.first) {
      this.#step(rate, first);
      this.#wake(first);
    }
  }

  /** What is held of it is held no longer. */
  lose(rate: HeldRate, nowMs: number): void {
    this.#giveBackAll(rate, nowMs);
    rate.recall = undefined;
    rate.turnAtMs = undefined;
    rate.demandedAtMs = undefined;
  }

  /** Keeps tokens for a waiter that has waited long, while it waits elsewhere. One waiter per rate may. */
  #keep(rate: HeldRate, units: number, registration: Registration, nowMs: number): boolean {
    if (nowMs - registration.refusedAtMs < KEEP_AFTER_MS) return false;
    if (rate.keeper !== undefined && rate.keeper !== registration) return false;
    rate.keeper = registration;
    this.#reserve(rate, units, registration);
    return true;
  }

  /** Gives as many waiters as can go their tokens and wakes them, in order. */
  #serve(rate: HeldRate, nowMs: number): void {
    for (let first = rate.line.first; first !== undefined; first = rate.line.first) {
      if (!rate.covers(first.units)) {
        this.#demand(rate, first.units, first, nowMs);
        if (!rate.covers(first.units)) break;
      }
      if (rate.availableTo(first, nowMs) + ROUNDING < rate.needed(first.units)) break;
      this.#step(rate, first);
      this.#reserve(rate, first.units, first);
      this.#wake(first);
    }
    this.#schedule(rate, nowMs);
    this.#letGo(rate, nowMs);
  }

  #step(rate: HeldRate, registration: Registration): void {
    rate.line.delete(registration);
    rate.lineUnits = rate.line.size === 0 ? 0 : rate.lineUnits - registration.units;
    registration.atRate = undefined;
    rate.settle();
  }

  #reserve(rate: HeldRate, units: number, registration: Registration): void {
    const before = registration.reserved.get(rate) ?? 0;
    const now = rate.needed(units);
    registration.reserved.set(rate, now);
    rate.reserved += now - before;
    rate.settle();
  }

  /** Somebody left: others may go now, or what is held is needed no longer. */
  #letGo(rate: HeldRate, nowMs: number): void {
    if (rate.line.size > 0) {
      this.#schedule(rate, nowMs);
      return;
    }
    if (rate.once && rate.quiet) this.#giveBackAll(rate, nowMs);
    else if (!rate.holding && rate.demandedAtMs !== undefined) this.#withdraw(rate, nowMs);
  }

  /** Sets when the line is looked at next. */
  #schedule(rate: HeldRate, nowMs: number): void {
    const first = rate.line.first;
    if (first === undefined || !rate.covers(first.units)) {
      rate.serveAtMs = Number.POSITIVE_INFINITY;
      this.#due.delete(rate);
      return;
    }
    const own = first.reserved.get(rate) ?? 0;
    rate.bucket.refresh(nowMs);
    const waitMs = rate.bucket.waitMs(rate.needed(first.units) + Math.max(0, rate.reserved - own));
    // Infinity: others keep so much that the line moves when they come or their time is over.
    rate.serveAtMs = nowMs + waitMs;
    if (waitMs === Number.POSITIVE_INFINITY) this.#due.delete(rate);
    else this.#due.push(rate);
  }

  #dueNow(rate: HeldRate, nowMs: number): void {
    rate.serveAtMs = nowMs;
    this.#due.push(rate);
  }

  #demand(rate: HeldRate, units: number, registration: Registration, nowMs: number): void {
    const recent = rate.demandedAtMs !== undefined && nowMs < rate.demandedAtMs + DEMAND_EVERY_MS;
    if (recent && rate.line.first !== undefined && rate.line.first !== registration) return;
    if (recent && rate.covers(units)) return;
    rate.demandedAtMs = nowMs;
    const first = rate.line.first;
    const leader = first !== undefined && goesBefore(first, registration) ? first : registration;
    const waiting = rate.lineUnits + (registration.atRate === rate ? 0 : units);
    this.#port.demandRate(
      rate.key,
      rate.name,
      {
        cost: leader === registration ? units : leader.units,
        units: waiting,
        priority: leader.priority,
        waitedMs: nowMs - leader.sinceMs,
      },
      nowMs,
    );
  }

  #answer(rate: HeldRate, nowMs: number): void {
    const first = rate.line.first;
    const units = rate.lineUnits + rate.spentUnits;
    rate.spentUnits = 0;
    rate.demandedAtMs = units > 0 ? nowMs : undefined;
    this.#port.demandRate(
      rate.key,
      rate.name,
      {
        cost: first?.units ?? 1,
        units,
        priority: first?.priority ?? 0,
        waitedMs: first === undefined ? 0 : nowMs - first.sinceMs,
      },
      nowMs,
    );
  }

  #withdraw(rate: HeldRate, nowMs: number): void {
    rate.demandedAtMs = undefined;
    rate.turnAtMs = undefined;
    this.#port.demandRate(rate.key, rate.name, { cost: 1, units: 0, priority: 0, waitedMs: 0 }, nowMs);
  }

  #obeyRecall(rate: HeldRate, nowMs: number): void {
    if (rate.recall === undefined) return;
    const part = rate.cut(rate.recall.ratePerMs, rate.recall.capacity, nowMs);
    if (part !== undefined) this.#port.giveBack(rate.key.id, rate.name, part, nowMs);
  }

  #giveBackAll(rate: HeldRate, nowMs: number): void {
    const part = rate.cutAll(nowMs);
    if (part !== undefined) this.#port.giveBack(rate.key.id, rate.name, part, nowMs);
    const first = rate.line.first;
    if (first !== undefined) this.#demand(rate, first.units, first, nowMs);
  }
}
