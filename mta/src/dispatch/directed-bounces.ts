import type { Entry, LaneId, UnitId, UnitKey } from '../queue/mod.ts';
import type { Directive } from '../react/mod.ts';
import { failEntry } from './attempts.ts';
import type { DispatchContext } from './dispatch-context.ts';
import { unitOrder } from './mail-order.ts';

/** Units whose mail a directive returns as undeliverable, one message after the other: each needs its envelope, which may be in the store only. */
export class DirectedBounces {
  readonly #context: DispatchContext;
  readonly #after: (unit: UnitId, key: UnitKey, lane: LaneId) => void;
  /** By the identity of the unit. */
  readonly #waiting = new Map<UnitKey, { readonly unit: UnitId; readonly directive: Directive }>();
  #running = false;

  constructor(context: DispatchContext, after: (unit: UnitId, key: UnitKey, lane: LaneId) => void) {
    this.#context = context;
    this.#after = after;
  }

  /** All that the unit has now, due or not. Asking twice is asking once. */
  add(unit: UnitId, key: UnitKey, directive: Directive): void {
    this.#waiting.set(key, { unit, directive });
    if (this.#running) return;
    this.#running = true;
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    const { queue, report } = this.#context;
    for (const [key, { unit, directive }] of this.#waiting) {
      this.#waiting.delete(key);
      try {
        if (queue.unitKeyIfAny(unit) !== key) continue;
        const lane = queue.laneOf(unit);
        for (const entry of queue.entriesOf(unit)) {
          if (this.#context.draining() || !this.#stillOrdered(key, directive)) break;
          await this.#bounce(unit, key, entry, directive);
        }
        this.#after(unit, key, lane);
      } catch (error) {
        report.fault(error);
      }
    }
    this.#running = false;
  }

  /** The directive may be taken back, or expire, while its work is under way. */
  #stillOrdered(key: UnitKey, directive: Directive): boolean {
    const order = unitOrder(this.#context.generation(), key);
    return order.kind === 'bounce' && order.directive.id === directive.id;
  }

  async #bounce(unit: UnitId, key: UnitKey, entry: Entry, { reason }: Directive): Promise<void> {
    const { queue, journal } = this.#context;
    if (journal.full) await journal.drained();
    // Meanwhile the entry may have become another one's number.
    if (queue.unitKeyIfAny(unit) !== key || !queue.belongs(entry, unit) || !queue.takeOut(entry)) return;
    await failEntry(this.#context, entry, key, {
      destination: undefined,
      source: undefined,
      consequence: undefined,
      failure: {
        ok: false,
        phase: 'Connect',
        cause: 'local',
        reply: { code: 550, enhanced: '5.7.1', text: `returned by the operator: ${reason}`, host: '' },
        tryNextHost: false,
        permanent: true,
      },
    });
  }
}
