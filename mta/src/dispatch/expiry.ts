import type { Entry, LaneId, UnitId, UnitKey } from '../queue/mod.ts';
import { expireEntry, STORE_RETRY_MS } from './attempts.ts';
import type { DispatchContext } from './dispatch-context.ts';
import type { Generation } from './generation.ts';
import { holdDependsOnRoute, unitOrder } from './mail-order.ts';

/** Held mail whose time is up gets so much more, again and again, milliseconds. */
export const HOLD_EXTENSION_MS = 3_600_000;

/** Called when an entry has been reported; the unit may be gone by then. */
export type AfterExpiry = (unit: UnitId, key: UnitKey, lane: LaneId) => void;

/** Entries whose time is up, reported one after the other: each needs its message, which may be in the store only. */
export class Expiry {
  readonly #context: DispatchContext;
  readonly #after: AfterExpiry;
  #entries: Entry[] = [];
  #running = false;

  constructor(context: DispatchContext, after: AfterExpiry) {
    this.#context = context;
    this.#after = after;
  }

  /** Takes an entry that the queue has just reported, in the middle of a change. */
  add(entry: Entry): void {
    this.#entries.push(entry);
    if (this.#running) return;
    this.#running = true;
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    while (this.#entries.length > 0 && !this.#context.draining()) {
      const batch = this.#entries;
      this.#entries = [];
      for (const [position, entry] of batch.entries()) {
        if (await this.#expire(entry)) continue;
        // The store cannot be read: the rest waits with it.
        this.#entries = batch.slice(position).concat(this.#entries);
        setTimeout(() => void this.#run(), STORE_RETRY_MS).unref();
        return;
      }
    }
    this.#running = false;
  }

  /**
   * The site and the Group of mail are known only while its route is in memory, and nobody asks for the route of mail that is held: a directive
   * that names them must not lose its hold on mail by that. What DNS does not say now is asked again later.
   */
  async #held(key: UnitKey): Promise<boolean> {
    const { generation, router } = this.#context;
    if (isHeld(generation(), key)) return true;
    if (!holdDependsOnRoute(generation(), key)) return false;
    const { kind } = await router.resolve(key.domain);
    return kind === 'transient' || isHeld(generation(), key);
  }

  /** Held mail does not expire; when it is released, an attempt is made before its time is up again. */
  #extend(entry: Entry): void {
    const { queue, clock } = this.#context;
    const nowMs = clock.nowMs();
    queue.defer(entry, {
      dueAtMs: nowMs,
      attempts: queue.attempts(entry),
      expireAtMs: nowMs + HOLD_EXTENSION_MS,
    });
  }

  /** `false` = its message could not be read. */
  async #expire(entry: Entry): Promise<boolean> {
    const { queue, report, journal } = this.#context;
    // Mail that expires by the million must not outrun a store that is slow.
    if (journal.full) await journal.drained();
    try {
      const unit = queue.unit(entry);
      const key = queue.unitKey(unit);
      if (await this.#held(key)) {
        this.#extend(entry);
        return true;
      }
      const lane = queue.laneOf(unit);
      if (!(await expireEntry(this.#context, entry, key))) return false;
      this.#after(unit, key, lane);
    } catch (error) {
      report.fault(error);
    }
    return true;
  }
}

function isHeld(generation: Generation, key: UnitKey): boolean {
  const order = unitOrder(generation, key);
  return order.kind === 'wait' && order.directive.effect.type === 'Hold';
}
