import type { Agenda, Timeline } from '../agenda.ts';

/**
 * A process with a clock of its own, which is off and drifts, and which may be stopped and continued: what happens meanwhile happens when it
 * goes on. Times inside are its own.
 */
export class SimulatedProcess implements Timeline {
  readonly name: string;
  readonly #agenda: Agenda;
  readonly #offsetMs: number;
  readonly #drift: number;
  #deferred: (() => void)[] = [];
  alive = true;
  stopped = false;

  constructor(name: string, agenda: Agenda, offsetMs: number, drift: number) {
    this.name = name;
    this.#agenda = agenda;
    this.#offsetMs = offsetMs;
    this.#drift = drift;
  }

  get nowMs(): number {
    return this.#offsetMs + this.#agenda.nowMs * (1 + this.#drift);
  }

  at(atMs: number, run: (nowMs: number) => void): void {
    this.#agenda.at((atMs - this.#offsetMs) / (1 + this.#drift), () => this.do(run));
  }

  /** How long a span of its clock is. */
  trueSpanMs(spanMs: number): number {
    return spanMs / (1 + this.#drift);
  }

  /** Now, or when it goes on; never, if it is dead. */
  do(run: (nowMs: number) => void): void {
    if (!this.alive) return;
    if (this.stopped) this.#deferred.push(() => run(this.nowMs));
    else run(this.nowMs);
  }

  continue(): void {
    this.stopped = false;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const run of deferred) this.do(() => run());
  }
}
