/** Gives equal values one number, so that a million messages with the same last reply keep it once. */
export class Interned<Value> {
  readonly #values: Value[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #keyOf: (value: Value) => string;
  /** Characters of all keys. */
  size = 0;

  constructor(keyOf: (value: Value) => string) {
    this.#keyOf = keyOf;
  }

  numberOf(value: Value): number {
    const key = this.#keyOf(value);
    let number = this.#numbers.get(key);
    if (number === undefined) {
      number = this.#values.push(value) - 1;
      this.#numbers.set(key, number);
      this.size += key.length;
    }
    return number;
  }

  get count(): number {
    return this.#values.length;
  }

  value(number: number): Value | undefined {
    return this.#values[number];
  }
}
