import { ULID_WORDS, ulidOf, ulidWords } from './ulid-words.ts';

/** A row's fields, each a 32-bit word; all of one row lie together. */
const SEQUENCE_LOW = 0;
/** Bits 32–39 of the sequence in the lowest byte, the row's flags above. */
const SEQUENCE_HIGH_AND_FLAGS = 1;
const ID = 2;
/** Lowest 32 bits of the sequence of the journal batch with the group's current state. */
const STATE_AT = ID + ULID_WORDS;
const NEXT_ATTEMPT_LOW = STATE_AT + 1;
const NEXT_ATTEMPT_HIGH = STATE_AT + 2;
/** Attempts above, number of the egress source below. */
const ATTEMPTS_AND_SOURCE = STATE_AT + 3;
/** Number of the last reply. */
const REPLY = STATE_AT + 4;
const WORDS = STATE_AT + 5;

/** Bytes of a row. */
export const ROW_BYTES = WORDS * 4;

const FIRST_CHUNK_ROWS = 32;
const CHUNK_ROWS = 2048;
const HIGH_BITS = 8;
const HIGH_MASK = (1 << HIGH_BITS) - 1;
const TWO_32 = 2 ** 32;

/** Names a row until the next `add` or `remove`. */
export type Row = number;
export const NO_ROW: Row = -1;

/** The row is a hole: it is not found any more. */
const DEAD = 1 << 23;

interface Chunk {
  /** No row of it has a lower sequence, and no row of the chunk before it a higher one. */
  first: number;
  rows: Uint32Array;
  used: number;
  dead: number;
  /** Rows before this one are dead. */
  firstAlive: number;
}

/**
 * The places of one segment in one store, ordered by sequence, ~44 bytes each. Made for what a log does: new rows come at (or near) the
 * end, most leave near the beginning. Knows the fields, not the rules.
 */
export class PlaceTable {
  readonly #chunks: Chunk[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get bytes(): number {
    return this.#chunks.reduce((sum, { rows }) => sum + rows.byteLength, 0);
  }

  find(sequence: number): Row {
    const number = this.#chunkFor(sequence);
    if (number < 0) return NO_ROW;
    const chunk = this.#chunks[number]!;
    const index = lowerBound(chunk, sequence);
    if (index === chunk.used || sequenceAt(chunk.rows, index * WORDS) !== sequence) return NO_ROW;
    return (flagsAt(chunk.rows, index * WORDS) & DEAD) === 0 ? number * CHUNK_ROWS + index : NO_ROW;
  }

  /** The first row that `accept` takes, in the order of sequences. */
  first(accept: (row: Row) => boolean): Row {
    for (const [number, chunk] of this.#chunks.entries()) {
      for (let index = chunk.firstAlive; index < chunk.used; index++) {
        if ((flagsAt(chunk.rows, index * WORDS) & DEAD) !== 0) {
          if (index === chunk.firstAlive) chunk.firstAlive++;
          continue;
        }
        const row = number * CHUNK_ROWS + index;
        if (accept(row)) return row;
      }
    }
    return NO_ROW;
  }

  /** A new row without flags and state; a sequence that is there already is replaced. */
  add(sequence: number, id: string): Row {
    const found = this.find(sequence);
    if (found !== NO_ROW) this.remove(found);
    let number = this.#chunkFor(sequence);
    if (number < 0) {
      this.#chunks.push(newChunk(FIRST_CHUNK_ROWS, sequence));
      number = 0;
    }
    let chunk = this.#chunks[number]!;
    let index = lowerBound(chunk, sequence);
    // A hole with the same sequence is filled: a sequence is there once, or a split could separate the row from its hole.
    const fillsHole = index < chunk.used && sequenceAt(chunk.rows, index * WORDS) === sequence;
    if (fillsHole) {
      chunk.dead--;
    } else if (chunk.used === CHUNK_ROWS) {
      if (index === CHUNK_ROWS) {
        this.#chunks.splice(++number, 0, newChunk(FIRST_CHUNK_ROWS, sequence));
      } else {
        // Rows come nearly in order: what lies before a late one stays together, or every chunk would be half empty for good.
        this.#split(number, Math.max(CHUNK_ROWS / 2, index));
      }
      chunk = this.#chunks[number]!;
      index = lowerBound(chunk, sequence);
    }
    chunk.first = Math.min(chunk.first, sequence);
    if (!fillsHole) makeRoom(chunk, index);
    const at = index * WORDS;
    chunk.rows.fill(0, at, at + WORDS);
    chunk.rows[at + SEQUENCE_LOW] = sequence;
    chunk.rows[at + SEQUENCE_HIGH_AND_FLAGS] = Math.floor(sequence / TWO_32);
    ulidWords(id, chunk.rows, at + ID);
    chunk.firstAlive = Math.min(chunk.firstAlive, index);
    this.#size++;
    return number * CHUNK_ROWS + index;
  }

  remove(row: Row): void {
    const number = Math.floor(row / CHUNK_ROWS);
    const chunk = this.#chunks[number]!;
    this.setFlags(row, DEAD);
    chunk.dead++;
    this.#size--;
    if (chunk.dead === chunk.used) {
      if (this.#chunks.length > 1) this.#chunks.splice(number, 1);
      else this.#chunks[number] = newChunk(FIRST_CHUNK_ROWS, chunk.first);
    } else if (chunk.dead > FIRST_CHUNK_ROWS && chunk.dead * 2 > chunk.used) compact(chunk);
  }

  sequence(row: Row): number {
    return sequenceAt(this.#rows(row), at(row));
  }

  id(row: Row): string {
    return ulidOf(this.#rows(row), at(row) + ID);
  }

  isId(row: Row, id: string): boolean {
    ulidWords(id, compared, 0);
    const rows = this.#rows(row);
    const start = at(row) + ID;
    for (let word = 0; word < ULID_WORDS; word++) if (rows[start + word] !== compared[word]) return false;
    return true;
  }

  flags(row: Row): number {
    return flagsAt(this.#rows(row), at(row));
  }

  setFlags(row: Row, flags: number): void {
    const rows = this.#rows(row);
    const word = at(row) + SEQUENCE_HIGH_AND_FLAGS;
    rows[word] = (rows[word]! & HIGH_MASK) | (flags << HIGH_BITS);
  }

  stateAt(row: Row): number {
    return this.#rows(row)[at(row) + STATE_AT]!;
  }

  setStateAt(row: Row, journalSequence: number): void {
    this.#rows(row)[at(row) + STATE_AT] = journalSequence;
  }

  /** Also where a message moved to: what has moved has no next attempt. */
  number(row: Row): number {
    const rows = this.#rows(row);
    const start = at(row);
    return rows[start + NEXT_ATTEMPT_HIGH]! * TWO_32 + rows[start + NEXT_ATTEMPT_LOW]!;
  }

  setNumber(row: Row, value: number): void {
    const rows = this.#rows(row);
    const start = at(row);
    rows[start + NEXT_ATTEMPT_LOW] = value;
    rows[start + NEXT_ATTEMPT_HIGH] = Math.floor(value / TWO_32);
  }

  attempts(row: Row): number {
    return this.#rows(row)[at(row) + ATTEMPTS_AND_SOURCE]! >>> 16;
  }

  source(row: Row): number {
    return this.#rows(row)[at(row) + ATTEMPTS_AND_SOURCE]! & 0xffff;
  }

  setAttemptsAndSource(row: Row, attempts: number, source: number): void {
    this.#rows(row)[at(row) + ATTEMPTS_AND_SOURCE] = (Math.min(attempts, 0xffff) << 16) | source;
  }

  reply(row: Row): number {
    return this.#rows(row)[at(row) + REPLY]!;
  }

  setReply(row: Row, reply: number): void {
    this.#rows(row)[at(row) + REPLY] = reply;
  }

  #rows(row: Row): Uint32Array {
    return this.#chunks[Math.floor(row / CHUNK_ROWS)]!.rows;
  }

  /** The last chunk that begins at or before the sequence, else the first one; −1 when there is none. */
  #chunkFor(sequence: number): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#chunks[middle]!.first <= sequence) low = middle + 1;
      else high = middle;
    }
    return this.#chunks.length === 0 ? -1 : Math.max(0, low - 1);
  }

  /** Rows from `from` on go to a chunk of their own. */
  #split(number: number, from: number): void {
    const chunk = this.#chunks[number]!;
    const moved = chunk.used - from;
    const second = newChunk(Math.max(FIRST_CHUNK_ROWS, moved), sequenceAt(chunk.rows, from * WORDS));
    second.rows.set(chunk.rows.subarray(from * WORDS, chunk.used * WORDS));
    second.used = moved;
    second.dead = deadRows(second);
    chunk.used = from;
    chunk.dead -= second.dead;
    chunk.firstAlive = Math.min(chunk.firstAlive, from);
    this.#chunks.splice(number + 1, 0, second);
  }
}

const compared = new Uint32Array(ULID_WORDS);

function newChunk(rows: number, first: number): Chunk {
  return { first, rows: new Uint32Array(rows * WORDS), used: 0, dead: 0, firstAlive: 0 };
}

function deadRows({ rows, used }: Chunk): number {
  let dead = 0;
  for (let index = 0; index < used; index++) if ((flagsAt(rows, index * WORDS) & DEAD) !== 0) dead++;
  return dead;
}

/** Closes the holes, and gives memory back. */
function compact(chunk: Chunk): void {
  const alive = chunk.used - chunk.dead;
  const rows = new Uint32Array(Math.max(FIRST_CHUNK_ROWS, alive) * WORDS);
  let kept = 0;
  for (let index = 0; index < chunk.used; index++) {
    const from = index * WORDS;
    if ((flagsAt(chunk.rows, from) & DEAD) !== 0) continue;
    rows.set(chunk.rows.subarray(from, from + WORDS), kept * WORDS);
    kept++;
  }
  chunk.rows = rows;
  chunk.used = kept;
  chunk.dead = 0;
  chunk.firstAlive = 0;
}

function makeRoom(chunk: Chunk, index: number): void {
  const needed = (chunk.used + 1) * WORDS;
  if (needed > chunk.rows.length) {
    const larger = new Uint32Array(Math.min(CHUNK_ROWS * WORDS, chunk.rows.length * 2));
    larger.set(chunk.rows.subarray(0, chunk.used * WORDS));
    chunk.rows = larger;
  }
  if (index < chunk.used) chunk.rows.copyWithin((index + 1) * WORDS, index * WORDS, chunk.used * WORDS);
  chunk.used++;
}

function at(row: Row): number {
  return (row % CHUNK_ROWS) * WORDS;
}

function sequenceAt(rows: Uint32Array, start: number): number {
  return (rows[start + SEQUENCE_HIGH_AND_FLAGS]! & HIGH_MASK) * TWO_32 + rows[start + SEQUENCE_LOW]!;
}

function flagsAt(rows: Uint32Array, start: number): number {
  return rows[start + SEQUENCE_HIGH_AND_FLAGS]! >>> HIGH_BITS;
}

function lowerBound(chunk: Chunk, sequence: number): number {
  let low = 0;
  let high = chunk.used;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sequenceAt(chunk.rows, middle * WORDS) < sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}
