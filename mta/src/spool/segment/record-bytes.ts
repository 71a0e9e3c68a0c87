import { ULID_WORDS, ulidOf, ulidWords } from './ulid-words.ts';

const START_BYTES = 4096;
/** Seven bits a byte, the lowest first; the highest bit says that more follow. */
const LOW_BITS = 0x7f;
const MORE = 0x80;
/** 2^53 needs eight bytes. */
const LONGEST_NUMBER = 8;

const words = new Uint32Array(ULID_WORDS);

/** Bytes that grow: numbers take as many as they need, ids sixteen, texts their UTF-8. */
export class RecordWriter {
  #bytes = Buffer.allocUnsafe(START_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Drops what was written after `length`. */
  truncate(length: number): void {
    this.#length = length;
  }

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#length++] = value;
  }

  /** A whole number from 0 to 2^53 − 1. */
  number(value: number): void {
    if (!(Number.isSafeInteger(value) && value >= 0)) throw new RangeError(`${value} cannot be journalled`);
    this.#room(LONGEST_NUMBER);
    let rest = value;
    while (rest > LOW_BITS) {
      this.#bytes[this.#length++] = (rest % MORE) | MORE;
      rest = Math.floor(rest / MORE);
    }
    this.#bytes[this.#length++] = rest;
  }

  ulid(ulid: string): void {
    ulidWords(ulid, words, 0);
    this.#room(ULID_WORDS * 4);
    for (const word of words) this.#length = this.#bytes.writeUInt32BE(word, this.#length);
  }

  text(text: string): void {
    const bytes = Buffer.byteLength(text);
    this.number(bytes);
    this.#room(bytes);
    this.#length += this.#bytes.write(text, this.#length);
  }

  /** A copy of what was written. */
  taken(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + bytes));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

/** Bytes end too early, or say what cannot be. */
export class MalformedBytes extends Error {}

/**
 * Reads what {@link RecordWriter} wrote.
 *
 * @throws {MalformedBytes} from every method
 */
export class RecordReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get ended(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined) throw new MalformedBytes(`ends at byte ${this.#at}`);
    this.#at++;
    return value;
  }

  number(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < LONGEST_NUMBER; count++) {
      const byte = this.byte();
      value += (byte & LOW_BITS) * factor;
      if (byte < MORE) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
      factor *= MORE;
    }
    throw new MalformedBytes(`a number before byte ${this.#at} is too large`);
  }

  ulid(): string {
    if (this.#at + ULID_WORDS * 4 > this.#bytes.length) throw new MalformedBytes(`ends inside an id`);
    for (let index = 0; index < ULID_WORDS; index++, this.#at += 4)
      words[index] = this.#bytes.readUInt32BE(this.#at);
    return ulidOf(words, 0);
  }

  text(): string {
    const bytes = this.number();
    if (this.#at + bytes > this.#bytes.length) throw new MalformedBytes(`ends inside a text`);
    this.#at += bytes;
    return this.#bytes.toString('utf8', this.#at - bytes, this.#at);
  }
}
