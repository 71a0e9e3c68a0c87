import type { Directive } from './directive.ts';

interface LedgerEntry {
  readonly revision: number;
  /** As it is stored. */
  readonly directive: Directive;
}

/**
 * What a pod knows of the directives that all pods share: what a watch of the store tells, and what was acknowledged to this pod before the
 * watch told it. Pure. Every write has a revision, rising; the watch tells them in order.
 *
 * A watch that begins anew is read to its end before it takes the place of what was known: until then nothing is forgotten.
 */
export class DirectiveLedger {
  #entries = new Map<string, LedgerEntry>();
  /** What the watch that is being read has told so far. */
  #reading: Map<string, LedgerEntry> | undefined;
  /** Up to this revision the watch has told everything. */
  #toldUntil = 0;

  get size(): number {
    return this.#entries.size;
  }

  get toldUntil(): number {
    return this.#toldUntil;
  }

  directives(): IterableIterator<Directive> {
    return this.#entries.values().map(({ directive }) => directive);
  }

  get(key: string): LedgerEntry | undefined {
    return this.#entries.get(key);
  }

  /** A watch begins, and tells what stands. */
  began(): void {
    this.#reading = new Map();
    this.#toldUntil = 0;
  }

  /** The watch has told all that stood at this revision. Returns what it did not know of before. */
  read(revision: number): readonly Directive[] {
    const entries = this.#reading;
    if (entries === undefined) return [];
    const before = this.#entries;
    this.#reading = undefined;
    this.#entries = entries;
    this.#toldUntil = Math.max(this.#toldUntil, revision);
    return [...entries].flatMap(([key, { directive, revision: at }]) =>
      before.get(key)?.revision === at ? [] : [directive],
    );
  }

  /** The watch tells of a write: `undefined` = nothing stands there any more. Returns whether that changes what is known. */
  told(key: string, revision: number, directive: Directive | undefined): boolean {
    this.#toldUntil = Math.max(this.#toldUntil, revision);
    const entries = this.#reading ?? this.#entries;
    return apply(entries, key, revision, directive) && entries === this.#entries;
  }

  /** A write of this pod was acknowledged. The watch may have told of it already, and of what came after it. */
  stored(key: string, revision: number, directive: Directive | undefined): void {
    if (this.#reading !== undefined) {
      apply(this.#entries, key, revision, directive);
      if (revision > this.#toldUntil) apply(this.#reading, key, revision, directive);
    } else if (revision > this.#toldUntil) apply(this.#entries, key, revision, directive);
  }
}

function apply(
  entries: Map<string, LedgerEntry>,
  key: string,
  revision: number,
  directive: Directive | undefined,
): boolean {
  const known = entries.get(key);
  if (known !== undefined && known.revision >= revision) return false;
  if (directive !== undefined) entries.set(key, { revision, directive });
  else if (!entries.delete(key)) return false;
  return true;
}
