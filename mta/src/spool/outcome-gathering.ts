/**
 * Outcomes wait so long for others, milliseconds, unless mail is stored anyway: a commit costs the same for one as for a hundred, and nobody waits for
 * one of them. They count as not journalled meanwhile, so the bound of duplicates after `kill -9` is what it was.
 */
export const OUTCOME_GATHER_MS = 10;
/** So many outcomes wait for no more. */
export const ENOUGH_OUTCOMES = 200;

/** When the outcomes that wait are worth a commit of their own. */
export class OutcomeGathering {
  readonly #onDue: () => void;
  #timer: NodeJS.Timeout | undefined;
  #due = false;

  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  isEnough(outcomes: number): boolean {
    return this.#due || outcomes >= ENOUGH_OUTCOMES;
  }

  /** An outcome has come. */
  begin(): void {
    this.#timer ??= setTimeout(() => {
      this.#due = true;
      this.#onDue();
    }, OUTCOME_GATHER_MS);
  }

  /** All that waited are on their way. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#due = false;
  }
}
