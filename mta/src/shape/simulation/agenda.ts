import { Heap } from '../heap.ts';

interface Appointment {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: (nowMs: number) => void;
}

/** A time, and things to do in it. */
export interface Timeline {
  readonly nowMs: number;
  at(atMs: number, run: (nowMs: number) => void): void;
}

/** The simulated time: things to do, in their order. */
export class Agenda implements Timeline {
  readonly #appointments = new Heap<Appointment>(
    (one, other) => one.atMs < other.atMs || (one.atMs === other.atMs && one.sequence < other.sequence),
  );
  #sequence = 0;
  nowMs: number;

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  at(atMs: number, run: (nowMs: number) => void): void {
    this.#appointments.push({ atMs: Math.max(atMs, this.nowMs), sequence: ++this.#sequence, run });
  }

  runUntil(endMs: number): void {
    for (
      let next = this.#appointments.first;
      next !== undefined && next.atMs <= endMs;
      next = this.#appointments.first
    ) {
      this.#appointments.delete(next);
      this.nowMs = next.atMs;
      next.run(this.nowMs);
    }
    this.nowMs = endMs;
  }
}
