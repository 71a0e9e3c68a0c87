/** Progress of a recipient group whose recipients do not all share one fate. */
export interface PartialGroup {
  /** Recipients that were not in a transaction of this attempt yet. */
  readonly untried: readonly number[];
  /** Recipients that this attempt already deferred. */
  readonly deferred: readonly number[];
}

/**
 * Groups of which some recipients are settled and others are not. Rare, so they are kept beside the index: most groups
 * never have an entry here.
 */
export class PartialGroups {
  readonly #byMessage = new Map<number, Map<number, PartialGroup>>();

  get(sequence: number, group: number): PartialGroup | undefined {
    return this.#byMessage.get(sequence)?.get(group);
  }

  /** Recipients of the next transaction where they are not the whole group. Asked for every message, so cheap when there are none. */
  untried(sequence: number, group: number): readonly number[] | undefined {
    return this.#byMessage.size === 0 ? undefined : this.get(sequence, group)?.untried;
  }

  set(sequence: number, group: number, partial: PartialGroup): void {
    const groups = this.#byMessage.get(sequence);
    if (groups === undefined) this.#byMessage.set(sequence, new Map([[group, partial]]));
    else groups.set(group, partial);
  }

  deleteWhere(gone: (sequence: number) => boolean): void {
    for (const sequence of [...this.#byMessage.keys()]) if (gone(sequence)) this.#byMessage.delete(sequence);
  }

  delete(sequence: number, group: number): void {
    const groups = this.#byMessage.get(sequence);
    if (groups === undefined) return;
    groups.delete(group);
    if (groups.size === 0) this.#byMessage.delete(sequence);
  }
}
