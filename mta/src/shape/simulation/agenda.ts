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

/** The simulated time: things to do, in their order. A binary heap from which nothing but the first is ever taken. */
export class Agenda implements Timeline {
  readonly #appointments: Appointment[] = [];
  #sequence = 0;
  nowMs: number;

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  at(atMs: number, run: (nowMs: number) => void): void {
    const appointment = { atMs: Math.max(atMs, this.nowMs), sequence: ++this.#sequence, run };
    const appointments = this.#appointments;
    let place = appointments.length;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = appointments[above];
      if (parent === undefined || isBefore(parent, appointment)) break;
      appointments[place] = parent;
      place = above;
    }
    appointments[place] = appointment;
  }

  runUntil(endMs: number): void {
    for (
      let next = this.#appointments[0];
      next !== undefined && next.atMs <= endMs;
      next = this.#appointments[0]
    ) {
      this.#removeFirst();
      this.nowMs = next.atMs;
      next.run(this.nowMs);
    }
    this.nowMs = endMs;
  }

  #removeFirst(): void {
    const appointments = this.#appointments;
    const last = appointments.pop();
    if (last === undefined || appointments.length === 0) return;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      let child = appointments[below];
      const right = appointments[below + 1];
      if (child !== undefined && right !== undefined && isBefore(right, child)) {
        child = right;
        below++;
      }
      if (child === undefined || isBefore(last, child)) break;
      appointments[place] = child;
      place = below;
    }
    appointments[place] = last;
  }
}

function isBefore(one: Appointment, other: Appointment): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.sequence < other.sequence);
}
