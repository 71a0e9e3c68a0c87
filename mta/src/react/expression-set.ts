import { RE2JS, RE2JSException, RE2Set } from 're2js';

/** Expressions in one automaton: above this its states are too many to be kept, and it forgets them again and again. */
const CHUNK = 100;
/** Memory that the states of one automaton may take, bytes. */
const MAX_STATE_BYTES = 2 ** 21;
/** Fewer expressions are quicker one by one than the automaton takes to build. */
export const MIN_SET_SIZE = 4;

interface Chunk {
  readonly first: number;
  readonly automaton: RE2Set;
}

/**
 * Many expressions that are looked for in one pass over a text: for those of which no literal is known, so that each would be run on each
 * reply. An automaton is built when the first text comes.
 */
export class ExpressionSet {
  readonly #expressions: readonly string[];
  #chunks: readonly Chunk[] | undefined;
  readonly #unbuilt = new Set<number>();

  /** @param expressions that re2js compiles */
  constructor(expressions: readonly string[]) {
    this.#expressions = expressions;
  }

  /** Indices of the expressions that match, or may match: run them to be sure. */
  candidates(text: string): ReadonlySet<number> {
    this.#chunks ??= this.#built();
    const found = new Set(this.#unbuilt);
    for (const { first, automaton } of this.#chunks)
      for (const index of automaton.match(text)) found.add(first + index);
    return found;
  }

  #built(): readonly Chunk[] {
    const chunks: Chunk[] = [];
    for (let first = 0; first < this.#expressions.length; first += CHUNK) {
      const expressions = this.#expressions.slice(first, first + CHUNK);
      const automaton = automatonOf(expressions);
      if (automaton === undefined) for (const index of expressions.keys()) this.#unbuilt.add(first + index);
      else chunks.push({ first, automaton });
    }
    return chunks;
  }
}

/** `undefined` = together they are too large. */
function automatonOf(expressions: readonly string[]): RE2Set | undefined {
  try {
    const automaton = new RE2Set(RE2Set.UNANCHORED, RE2JS.CASE_INSENSITIVE, MAX_STATE_BYTES);
    for (const expression of expressions) automaton.add(expression);
    automaton.compile();
    return automaton;
  } catch (error) {
    if (error instanceof RE2JSException) return undefined;
    throw error;
  }
}
