import { seededRandom } from '@sluice/mta/blast';
import type { Fault, FaultKind } from './fault.ts';

export interface PlanOptions {
  readonly seed: number;
  /** Every fault is over by then. */
  readonly durationMs: number;
  readonly pods: number;
  readonly nodes: number;
  /** Kinds that cannot be done here. */
  readonly without: ReadonlySet<FaultKind>;
}

export interface PlannedFault {
  readonly atMs: number;
  readonly fault: Fault;
}

/** Mail flows for so long before the first fault. */
const QUIET_START_MS = 2_500;
/** From one fault to the next, on average; runs that are shorter than two minutes are denser. */
const MEAN_GAP_MS = 9_000;
const SHORT_MEAN_GAP_MS = 2_000;
const SHORT_RUN_MS = 120_000;
/** A pod that is started again is left alone for so long, so that it does something. */
const START_MS = 5_000;
/** A poison message kills up to four owners, each of which must be seen dead by the next. */
const POISON_MS = 130_000;

const DECK: readonly FaultKind[] = [
  'kill',
  'kill',
  'terminate',
  'terminate',
  'stop',
  'long-stop',
  'partition',
  'kill-nats',
  'kill-nats',
  'kill-all-nats',
  'full',
];

/**
 * What goes wrong and when, from a seed alone: every kind that fits into the time comes about equally often, nothing has two faults at once.
 *
 * Example: `planFaults({ seed: 1, durationMs: 300_000, pods: 3, nodes: 3, without: new Set() })`
 */
export function planFaults(options: PlanOptions): readonly PlannedFault[] {
  return new FaultPlan(options).faults;
}

class FaultPlan {
  readonly faults: PlannedFault[] = [];
  readonly #options: PlanOptions;
  readonly #random: () => number;
  /** Until when each pod and NATS are under a fault. */
  readonly #podBusyMs: number[];
  #natsBusyMs = 0;
  #atMs = QUIET_START_MS;
  #deck: FaultKind[] = [];

  constructor(options: PlanOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    this.#podBusyMs = Array.from({ length: options.pods }, () => 0);
    const meanGapMs = options.durationMs < SHORT_RUN_MS ? SHORT_MEAN_GAP_MS : MEAN_GAP_MS;
    // Early, because it takes long; no other kind waits for it.
    this.#try('poison');
    for (; this.#atMs < options.durationMs; this.#atMs += meanGapMs * this.#between(0.4, 1.6)) this.#next();
  }

  /** The first kind of the deck that can be done now. */
  #next(): void {
    for (let drawn = 0; drawn < DECK.length; drawn++) {
      if (this.#deck.length === 0) this.#deck = this.#shuffled(DECK);
      const kind = this.#deck.shift();
      if (kind === undefined || this.#try(kind)) return;
      // Later, if it was only the wrong moment.
      this.#deck.push(kind);
    }
  }

  #try(kind: FaultKind): boolean {
    if (this.#options.without.has(kind)) return false;
    const made = this.#make(kind);
    if (made === undefined || this.#atMs + made.forMs > this.#options.durationMs) return false;
    this.faults.push({ atMs: Math.round(this.#atMs), fault: made.fault });
    const untilMs = this.#atMs + made.forMs;
    if ('node' in made.fault || made.fault.kind === 'kill-all-nats' || made.fault.kind === 'full')
      this.#natsBusyMs = untilMs;
    else if (made.fault.kind !== 'poison') this.#podBusyMs[made.fault.pod] = untilMs;
    return true;
  }

  /** A fault and how long its target is busy with it; `undefined` = no target is free. */
  #make(kind: FaultKind): { readonly fault: Fault; readonly forMs: number } | undefined {
    const pod = this.#freePod();
    const longMs = this.#ms(22_000, 34_000);
    const shortMs = this.#ms(1_500, 7_000);
    if (kind === 'kill-nats' || kind === 'kill-all-nats' || kind === 'full') {
      if (this.#natsBusyMs > this.#atMs) return undefined;
      if (kind === 'full') return { fault: { kind, forMs: shortMs }, forMs: shortMs };
      if (kind === 'kill-nats') {
        const node = Math.floor(this.#random() * this.#options.nodes);
        return { fault: { kind, node, downMs: shortMs }, forMs: shortMs + START_MS };
      }
      // Every third outage is longer than sessions live.
      const isLong = this.#options.durationMs >= SHORT_RUN_MS && this.#random() < 1 / 3;
      const downMs = isLong ? longMs : shortMs;
      return { fault: { kind, downMs }, forMs: downMs + START_MS };
    }
    if (pod === undefined) return undefined;
    switch (kind) {
      case 'kill':
      case 'terminate':
        return { fault: { kind, pod, downMs: shortMs }, forMs: shortMs + START_MS };
      case 'stop':
        return { fault: { kind, pod, forMs: shortMs }, forMs: shortMs };
      case 'long-stop':
        return { fault: { kind, pod, forMs: longMs }, forMs: longMs };
      case 'partition': {
        // Half of them end while the session lives.
        const forMs = this.#random() < 0.5 ? this.#ms(4_000, 14_000) : longMs;
        return { fault: { kind, pod, forMs, alsoMail: this.#random() < 0.3 }, forMs };
      }
      case 'poison':
        return { fault: { kind, pod }, forMs: POISON_MS };
    }
  }

  #freePod(): number | undefined {
    const free = this.#podBusyMs.flatMap((untilMs, pod) => (untilMs <= this.#atMs ? [pod] : []));
    return free[Math.floor(this.#random() * free.length)];
  }

  #shuffled(kinds: readonly FaultKind[]): FaultKind[] {
    const shuffled = [...kinds];
    for (let left = shuffled.length - 1; left > 0; left--) {
      const other = Math.floor(this.#random() * (left + 1));
      const [one, two] = [shuffled[left], shuffled[other]];
      if (one === undefined || two === undefined) continue;
      shuffled[left] = two;
      shuffled[other] = one;
    }
    return shuffled;
  }

  #ms(least: number, most: number): number {
    return Math.round(this.#between(least, most));
  }

  #between(least: number, most: number): number {
    return least + this.#random() * (most - least);
  }
}
