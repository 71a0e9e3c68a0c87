interface Slot<V> {
  value: V;
  used: boolean;
}

/**
 * A map that keeps at most so many values. A hit only sets a bit, so it costs one look-up; when room is needed, a hand goes
 * round and takes the first value that was not used since it last came by (second chance, an LRU in all but name).
 */
export class BoundedCache<V> {
  readonly #slots = new Map<string, Slot<V>>();
  readonly #maxValues: number;
  #hand: Iterator<[string, Slot<V>]>;

  constructor(maxValues: number) {
    this.#maxValues = maxValues;
    this.#hand = this.#slots.entries();
  }

  get size(): number {
    return this.#slots.size;
  }

  get(key: string): V | undefined {
    const slot = this.#slots.get(key);
    if (slot === undefined) return undefined;
    slot.used = true;
    return slot.value;
  }

  set(key: string, value: V): void {
    const slot = this.#slots.get(key);
    if (slot !== undefined) {
      slot.value = value;
      return;
    }
    if (this.#slots.size >= this.#maxValues) this.#evict();
    this.#slots.set(key, { value, used: false });
  }

  /** The iterator is kept: a new one would pass over all that was deleted before, each time. */
  #evict(): void {
    for (;;) {
      let step = this.#hand.next();
      if (step.done === true) {
        this.#hand = this.#slots.entries();
        step = this.#hand.next();
        if (step.done === true) return;
      }
      const [key, slot] = step.value;
      if (!slot.used) {
        this.#slots.delete(key);
        return;
      }
      slot.used = false;
    }
  }
}
