import type { Entry } from './contract.ts';
import { type EntryTable, NONE } from './entry-table.ts';
import { LAST_TICK } from './ticks.ts';

const SLOT_BITS = 8;
const SLOTS = 1 << SLOT_BITS;
const SLOT_MASK = SLOTS - 1;
/** 256 slots each of 1, 256, 65,536 and 16.7 M ticks: together 12.8 s, 55 minutes, 9.7 days, years. */
const LEVELS = 4;
const WORDS_PER_LEVEL = SLOTS / 32;

/**
 * Hierarchical timing wheel (Varghese and Lauck 1987, scheme 7): schedule and cancel cost the same however many entries wait.
 * An entry is kept at the level of the highest byte in which its tick differs from the wheel's, and comes down a level
 * whenever the wheel reaches its slot. The lists run through the entry table, which also tells each entry's tick; the first
 * entry's predecessor and the last one's successor are the slot they are in, as its complement (negative). Entries of one tick
 * fire in the order in which they were filed.
 */
export class TimerWheel {
  readonly #table: EntryTable;
  readonly #heads = new Int32Array(LEVELS * SLOTS);
  readonly #tails = new Int32Array(LEVELS * SLOTS);
  /** One bit for each slot that is not empty. */
  readonly #filled = new Int32Array(LEVELS * WORDS_PER_LEVEL);
  #tick = 0;

  constructor(table: EntryTable) {
    this.#table = table;
  }

  /** The wheel's time: everything at or before it has fired. */
  get tick(): number {
    return this.#tick;
  }

  /** Files an entry under its `timerTick`; one whose tick has passed fires at the next tick. It must not be filed already. */
  schedule(entry: Entry): void {
    this.#file(entry, Math.max(this.#table.timerTick(entry), this.#tick + 1));
  }

  cancel(entry: Entry): void {
    const table = this.#table;
    const next = table.timerNext(entry);
    const previous = table.timerPrevious(entry);
    if (next >= 0) table.setTimerPrevious(next, previous);
    else this.#tails[~next] = previous >= 0 ? previous : NONE;
    if (previous >= 0) {
      table.setTimerNext(previous, next);
      return;
    }
    const slot = ~previous;
    this.#heads[slot] = next >= 0 ? next : NONE;
    if (next < 0) this.#filled[slot >>> 5]! &= ~(1 << (slot & 31));
  }

  /**
   * The first tick at which `advance` has something to do: that of the next entry, or an earlier one at which entries come down
   * a level. `undefined` = nothing is filed. Always after {@link tick}.
   */
  nextTick(): number | undefined {
    for (let level = 0; level < LEVELS; level++) {
      const shift = level * SLOT_BITS;
      const slot = this.#nextFilled(level, (this.#tick >>> shift) & SLOT_MASK);
      if (slot < 0) continue;
      // The bytes above this level are those of the wheel's time, the bytes below are zero.
      const above = level === LEVELS - 1 ? 0 : (this.#tick >>> (shift + SLOT_BITS)) << (shift + SLOT_BITS);
      return above + (slot << shift);
    }
    return undefined;
  }

  /** Moves on to `toTick` and hands every entry whose tick comes to `fire`, no longer filed, in the order of ticks. */
  advance(toTick: number, fire: (entry: Entry) => void): void {
    for (;;) {
      const next = this.nextTick();
      if (next === undefined || next > toTick) break;
      this.#tick = next;
      for (let level = LEVELS - 1; level > 0; level--) {
        if ((next & ((1 << (level * SLOT_BITS)) - 1)) === 0) this.#comeDown(level);
      }
      const slot = next & SLOT_MASK;
      for (let entry = this.#heads[slot]!; entry !== NONE; entry = this.#heads[slot]!) {
        this.cancel(entry);
        fire(entry);
      }
    }
    if (toTick > this.#tick) this.#tick = Math.min(toTick, LAST_TICK - 1);
  }

  /** Files the entries of the slot that the wheel has reached anew: each goes to a lower level. */
  #comeDown(level: number): void {
    const slot = level * SLOTS + ((this.#tick >>> (level * SLOT_BITS)) & SLOT_MASK);
    for (let entry = this.#heads[slot]!; entry !== NONE; entry = this.#heads[slot]!) {
      this.cancel(entry);
      this.#file(entry, Math.max(this.#table.timerTick(entry), this.#tick));
    }
  }

  #file(entry: Entry, tick: number): void {
    const differing = tick ^ this.#tick;
    const level = differing < SLOTS ? 0 : differing < SLOTS ** 2 ? 1 : differing < SLOTS ** 3 ? 2 : 3;
    const slot = level * SLOTS + ((tick >>> (level * SLOT_BITS)) & SLOT_MASK);
    const table = this.#table;
    const tail = this.#tails[slot]!;
    table.setTimerNext(entry, ~slot);
    if (tail === NONE) {
      table.setTimerPrevious(entry, ~slot);
      this.#heads[slot] = entry;
      this.#filled[slot >>> 5]! |= 1 << (slot & 31);
    } else {
      table.setTimerPrevious(entry, tail);
      table.setTimerNext(tail, entry);
    }
    this.#tails[slot] = entry;
  }

  /** The first filled slot of a level after `slot`, or -1. */
  #nextFilled(level: number, slot: number): number {
    const from = slot + 1;
    if (from === SLOTS) return -1;
    const base = level * WORDS_PER_LEVEL;
    let word = from >>> 5;
    let bits = this.#filled[base + word]! & (-1 << (from & 31));
    while (bits === 0) {
      if (++word === WORDS_PER_LEVEL) return -1;
      bits = this.#filled[base + word]!;
    }
    return (word << 5) + 31 - Math.clz32(bits & -bits);
  }
}
