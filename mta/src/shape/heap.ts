/**
 * A priority queue from which any item can be removed: binary heap plus the place of every item.
 *
 * Example: `const line = new Heap<Demand>((a, b) => a.sinceMs < b.sinceMs)`; `push`, `first` and `delete` cost O(log n).
 */
export class Heap<T extends object> {
  readonly #before: (one: T, other: T) => boolean;
  readonly #items: T[] = [];
  /** Made with the first item: most lines are empty for ever. */
  #places: Map<T, number> | undefined;

  /** `before(a, b)` must order strictly and must not change for items inside; call `push` again for one whose order changed. */
  constructor(before: (one: T, other: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  get first(): T | undefined {
    return this.#items[0];
  }

  has(item: T): boolean {
    return this.#places?.has(item) ?? false;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.#items[Symbol.iterator]();
  }

  /** Adds an item, or moves one that is inside to where it belongs now. */
  push(item: T): void {
    const place = this.#places?.get(item);
    if (place !== undefined) {
      this.#down(item, this.#up(item, place));
      return;
    }
    this.#items.push(item);
    this.#up(item, this.#items.length - 1);
  }

  shift(): T | undefined {
    const first = this.#items[0];
    if (first !== undefined) this.delete(first);
    return first;
  }

  /** `false` = it was not inside. */
  delete(item: T): boolean {
    const place = this.#places?.get(item);
    if (place === undefined) return false;
    this.#places?.delete(item);
    const last = this.#items.pop();
    if (last !== undefined && last !== item) this.#down(last, this.#up(last, place));
    return true;
  }

  #up(item: T, from: number): number {
    let place = from;
    while (place > 0) {
      const parentPlace = (place - 1) >> 1;
      const parent = this.#items[parentPlace];
      if (parent === undefined || !this.#before(item, parent)) break;
      this.#put(parent, place);
      place = parentPlace;
    }
    this.#put(item, place);
    return place;
  }

  #down(item: T, from: number): void {
    let place = from;
    for (;;) {
      let childPlace = 2 * place + 1;
      let child = this.#items[childPlace];
      const right = this.#items[childPlace + 1];
      if (child !== undefined && right !== undefined && this.#before(right, child)) {
        child = right;
        childPlace++;
      }
      if (child === undefined || !this.#before(child, item)) break;
      this.#put(child, place);
      place = childPlace;
    }
    this.#put(item, place);
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    this.#places ??= new Map();
    this.#places.set(item, place);
  }
}
