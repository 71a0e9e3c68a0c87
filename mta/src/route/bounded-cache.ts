interface Slot<V> {
  value: V;
  used: boolean;
}

/**
 * A map that keeps at most so many values. A hit only sets a bit, so it costs one look-up; when room is needed, the oldest
 * value that was not used since it last came up goes (second chance, an LRU in all but name).
 */
export class BoundedCache<V> {
  readonly #slots = new Map<string, Slot<V>>();
  readonly #maxValues: number;

  constructor(maxValues: number) {
    this.#maxValues = maxValues;
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

  #evict(): void {
    for (const [key, slot] of this.#slots) {
      this.#slots.delete(key);
      if (!slot.used) return;
      slot.used = false;
      this.#slots.set(key, slot);
    }
  }
}
