interface Appointment {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** The simulated time: things to do, in their order. A binary heap. */
export class Agenda {
  readonly #heap: Appointment[] = [];
  #order = 0;
  nowMs = 0;

  after(delayMs: number, run: () => void): void {
    const heap = this.#heap;
    heap.push({ atMs: this.nowMs + delayMs, order: this.#order++, run });
    for (let index = heap.length - 1; index > 0; ) {
      const parent = (index - 1) >>> 1;
      if (!isBefore(heap[index]!, heap[parent]!)) return;
      [heap[index], heap[parent]] = [heap[parent]!, heap[index]!];
      index = parent;
    }
  }

  /** Runs what is due until then, or until `stop`. */
  runUntil(endMs: number, stop: () => boolean): void {
    while (this.#heap.length > 0 && this.#heap[0]!.atMs <= endMs && !stop()) {
      const next = this.#take();
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = Math.max(this.nowMs, endMs);
  }

  #take(): Appointment {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let index = 0; ; ) {
      const left = index * 2 + 1;
      let least = index;
      if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left;
      if (left + 1 < heap.length && isBefore(heap[left + 1]!, heap[least]!)) least = left + 1;
      if (least === index) return first;
      [heap[index], heap[least]] = [heap[least]!, heap[index]!];
      index = least;
    }
  }
}

function isBefore(one: Appointment, other: Appointment): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
