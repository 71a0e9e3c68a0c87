import type { Entry, NewEntry } from './contract.ts';

/** An entry's fields, each a 32-bit word. All of one entry lie together, so touching one costs one cache miss, not ten. */
const SEQUENCE_LOW = 0;
/** Bits 32–47 of the sequence above, attempts below. */
const SEQUENCE_HIGH_AND_ATTEMPTS = 1;
const ID_CHECK = 2;
const GROUP = 3;
const RECIPIENTS = 4;
const SIZE_BYTES = 5;
const ACCEPTED_TICK = 6;
const DUE_TICK = 7;
const EXPIRE_TICK = 8;
/** Unit above, {@link EntryState} in the lowest bits. */
const UNIT_AND_STATE = 9;
/** Neighbours in the unit's list of entries of the same state; the free list uses `NEXT`. */
const NEXT = 10;
const PREVIOUS = 11;
/** Neighbours in a slot of the timer wheel. */
const TIMER_NEXT = 12;
const TIMER_PREVIOUS = 13;
const WORDS = 14;

/** Bytes of the table that one entry occupies. */
export const ENTRY_BYTES = WORDS * 4;

/** Entries of a chunk: the table grows by chunks (0.9 MiB), so nothing is ever copied and no memory is needed twice. */
const CHUNK_BITS = 14;
const CHUNK_ENTRIES = 1 << CHUNK_BITS;
const CHUNK_MASK = CHUNK_ENTRIES - 1;

/** No entry: the end of a list. */
export const NONE: Entry = 0;

export type EntryState = 0 | 1 | 2 | 3;
export const FREE: EntryState = 0;
export const READY: EntryState = 1;
export const WAITING: EntryState = 2;
export const TAKEN: EntryState = 3;
const STATE_BITS = 2;
const STATE_MASK = (1 << STATE_BITS) - 1;

const MAX_SEQUENCE = 2 ** 48 - 1;
const MAX_ATTEMPTS = 0xffff;

/** The entries' storage. Knows the fields, not the rules. */
export class EntryTable {
  readonly #chunks: Int32Array[] = [];
  #firstFree: Entry = NONE;
  /** Slots ever used; slot 0 stands for {@link NONE}. */
  #used = 1;

  get bytes(): number {
    return this.#chunks.length * CHUNK_ENTRIES * ENTRY_BYTES;
  }

  /** A slot with the fields of `from`, in no state and no list; its times are given in ticks. */
  add(from: NewEntry, acceptedTick: number, dueTick: number, expireTick: number, unit: number): Entry {
    if (!(from.sequence >= 0 && from.sequence <= MAX_SEQUENCE)) {
      throw new RangeError(`sequence ${from.sequence} does not fit into 48 bits`);
    }
    const entry = this.#allocate();
    const chunk = this.#chunks[entry >>> CHUNK_BITS]!;
    const at = (entry & CHUNK_MASK) * WORDS;
    chunk[at + SEQUENCE_LOW] = from.sequence;
    chunk[at + SEQUENCE_HIGH_AND_ATTEMPTS] =
      (Math.floor(from.sequence / 2 ** 32) << 16) | Math.min(from.attempts, MAX_ATTEMPTS);
    chunk[at + ID_CHECK] = from.idCheck;
    chunk[at + GROUP] = from.group;
    chunk[at + RECIPIENTS] = from.recipients;
    chunk[at + SIZE_BYTES] = from.sizeBytes;
    chunk[at + ACCEPTED_TICK] = acceptedTick;
    chunk[at + DUE_TICK] = dueTick;
    chunk[at + EXPIRE_TICK] = expireTick;
    chunk[at + UNIT_AND_STATE] = unit << STATE_BITS;
    return entry;
  }

  free(entry: Entry): void {
    this.#put(entry, UNIT_AND_STATE, FREE);
    this.#put(entry, NEXT, this.#firstFree);
    this.#firstFree = entry;
  }

  sequence(entry: Entry): number {
    const high = this.#get(entry, SEQUENCE_HIGH_AND_ATTEMPTS) >>> 16;
    return high * 2 ** 32 + (this.#get(entry, SEQUENCE_LOW) >>> 0);
  }

  attempts(entry: Entry): number {
    return this.#get(entry, SEQUENCE_HIGH_AND_ATTEMPTS) & MAX_ATTEMPTS;
  }

  setAttempts(entry: Entry, attempts: number): void {
    const high = this.#get(entry, SEQUENCE_HIGH_AND_ATTEMPTS) & ~MAX_ATTEMPTS;
    this.#put(entry, SEQUENCE_HIGH_AND_ATTEMPTS, high | Math.min(attempts, MAX_ATTEMPTS));
  }

  idCheck(entry: Entry): number {
    return this.#get(entry, ID_CHECK) >>> 0;
  }

  group(entry: Entry): number {
    return this.#get(entry, GROUP);
  }

  recipients(entry: Entry): number {
    return this.#get(entry, RECIPIENTS);
  }

  sizeBytes(entry: Entry): number {
    return this.#get(entry, SIZE_BYTES) >>> 0;
  }

  acceptedTick(entry: Entry): number {
    return this.#get(entry, ACCEPTED_TICK);
  }

  dueTick(entry: Entry): number {
    return this.#get(entry, DUE_TICK);
  }

  setDueTick(entry: Entry, tick: number): void {
    this.#put(entry, DUE_TICK, tick);
  }

  expireTick(entry: Entry): number {
    return this.#get(entry, EXPIRE_TICK);
  }

  setExpireTick(entry: Entry, tick: number): void {
    this.#put(entry, EXPIRE_TICK, tick);
  }

  /** When time alone changes something for this entry. */
  timerTick(entry: Entry): number {
    const expireTick = this.expireTick(entry);
    return this.state(entry) === WAITING ? Math.min(this.dueTick(entry), expireTick) : expireTick;
  }

  unit(entry: Entry): number {
    return this.#get(entry, UNIT_AND_STATE) >>> STATE_BITS;
  }

  setUnit(entry: Entry, unit: number): void {
    const state = this.#get(entry, UNIT_AND_STATE) & STATE_MASK;
    this.#put(entry, UNIT_AND_STATE, (unit << STATE_BITS) | state);
  }

  /** An {@link EntryState}; a number that never named an entry is free. */
  state(entry: Entry): number {
    return entry > NONE && entry < this.#used ? this.#get(entry, UNIT_AND_STATE) & STATE_MASK : FREE;
  }

  setState(entry: Entry, state: EntryState): void {
    this.#put(entry, UNIT_AND_STATE, (this.#get(entry, UNIT_AND_STATE) & ~STATE_MASK) | state);
  }

  next(entry: Entry): Entry {
    return this.#get(entry, NEXT);
  }

  setNext(entry: Entry, next: Entry): void {
    this.#put(entry, NEXT, next);
  }

  previous(entry: Entry): Entry {
    return this.#get(entry, PREVIOUS);
  }

  setPrevious(entry: Entry, previous: Entry): void {
    this.#put(entry, PREVIOUS, previous);
  }

  timerNext(entry: Entry): number {
    return this.#get(entry, TIMER_NEXT);
  }

  setTimerNext(entry: Entry, next: number): void {
    this.#put(entry, TIMER_NEXT, next);
  }

  timerPrevious(entry: Entry): number {
    return this.#get(entry, TIMER_PREVIOUS);
  }

  setTimerPrevious(entry: Entry, previous: number): void {
    this.#put(entry, TIMER_PREVIOUS, previous);
  }

  #get(entry: Entry, word: number): number {
    return this.#chunks[entry >>> CHUNK_BITS]![(entry & CHUNK_MASK) * WORDS + word]!;
  }

  #put(entry: Entry, word: number, value: number): void {
    this.#chunks[entry >>> CHUNK_BITS]![(entry & CHUNK_MASK) * WORDS + word] = value;
  }

  #allocate(): Entry {
    const free = this.#firstFree;
    if (free !== NONE) {
      this.#firstFree = this.next(free);
      return free;
    }
    const entry = this.#used++;
    if (entry >>> CHUNK_BITS === this.#chunks.length)
      this.#chunks.push(new Int32Array(CHUNK_ENTRIES * WORDS));
    return entry;
  }
}
