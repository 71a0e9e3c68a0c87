/**
 * Lets one suspected group of a whole process be in a transaction at a time: if the process ends then, it is known which one it was,
 * and those that only happened to be in flight beside it are not held. All owners of a process share one.
 */
export class SuspectTurn {
  #holder: string | undefined;

  /** `true` = this group may start; `false` = another one is in its transaction. */
  take(key: string): boolean {
    this.#holder ??= key;
    return this.#holder === key;
  }

  giveBack(key: string): void {
    if (this.#holder === key) this.#holder = undefined;
  }
}
