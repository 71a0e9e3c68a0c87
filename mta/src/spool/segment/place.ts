/** The two kinds of streams that hold messages: what is new, and what was put aside (DESIGN §5). */
export type Store = 'spool' | 'defer';

/** Where a message of a segment lies. The sequence finds it, the id proves it: on a mismatch nothing is done, sent or deleted. */
export interface Place {
  readonly store: Store;
  /** Sequence in the stream of this store that holds the segment, ≥ 1. */
  readonly sequence: number;
  /** {@link Envelope.id}, a ULID. */
  readonly id: string;
}

/** Segments of the ring; fixed for the life of a cluster. */
export const SEGMENTS = 256;
/** Sequences of a stream have room for 550 billion messages; the segment and the store take the other 9 of 48 bits. */
const SEQUENCE_RANGE = 2 ** 39;
const STORE_FACTOR = SEQUENCE_RANGE * SEGMENTS;

/**
 * One number for a place of any segment, for the 48 bits that the queue index has ({@link Reference.sequence}).
 * It rises with the sequence within a segment and a store.
 *
 * Example: `placeNumber(3, 'spool', 17)` → `3 * 2 ** 39 + 17`
 */
export function placeNumber(segment: number, store: Store, sequence: number): number {
  return (store === 'defer' ? STORE_FACTOR : 0) + segment * SEQUENCE_RANGE + sequence;
}

/** The inverse of {@link placeNumber}. */
export function placeOf(number: number): {
  readonly segment: number;
  readonly store: Store;
  readonly sequence: number;
} {
  const store = number >= STORE_FACTOR ? 'defer' : 'spool';
  const rest = store === 'defer' ? number - STORE_FACTOR : number;
  return { segment: Math.floor(rest / SEQUENCE_RANGE), store, sequence: rest % SEQUENCE_RANGE };
}

/** A key for a recipient group of a message that lies there. */
export function groupKey({ store, sequence, id }: Place, group: number): string {
  return `${store} ${sequence} ${id} ${group}`;
}
