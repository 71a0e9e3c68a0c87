import { hash32, mix32, SHARDS } from './shard-number.ts';

/** Sets the weights of two shards apart: the fractional part of the golden ratio. */
const PER_SHARD = 0x9e3779b1;

/**
 * The order in which sessions should lead each shard (rendezvous hashing): everybody who knows the same sessions says the same, and one that
 * comes or goes moves only its own shards. Should two weigh the same, both believe that they are first and the store decides.
 *
 * Example: `new LeaderLine(sessions, 'a').placeFor(7) === 0`: `a` should lead shard 7.
 */
export class LeaderLine {
  readonly #own: number;
  readonly #sessions: Uint32Array;
  readonly #places: (number | undefined)[] = new Array(SHARDS);

  constructor(sessions: readonly string[], own: string) {
    this.#own = hash32(own);
    this.#sessions = Uint32Array.from(sessions, hash32);
  }

  /** Of the own session, counted from 0. */
  placeFor(shard: number): number {
    const known = this.#places[shard];
    if (known !== undefined) return known;
    const salt = Math.imul(shard + 1, PER_SHARD);
    const own = mix32(this.#own ^ salt);
    let place = 0;
    for (const session of this.#sessions) if (mix32(session ^ salt) > own) place++;
    this.#places[shard] = place;
    return place;
  }
}
