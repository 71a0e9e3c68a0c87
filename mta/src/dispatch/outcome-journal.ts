import type { Outcome, Spool } from '../spool/mod.ts';

/** W of DESIGN §5: no transaction starts while more outcomes than this are not yet durable. Bounds the duplicates after `kill -9`. */
export const MAX_UNJOURNALLED_OUTCOMES = 500;

/** Pause before outcomes are offered again to a store that failed. */
export const JOURNAL_RETRY_MS = 1000;

export interface OutcomeJournalHooks {
  /**
   * Asked before a batch is recorded: resolves when the events told so far outlive this process. An outcome that is recorded is never
   * looked at again, so an event that was not stored by then would be missing for good.
   */
  readonly eventsStored: () => Promise<void> | undefined;
  /** The number of outcomes that are not durable fell to or below W again. */
  readonly onRoom: () => void;
  readonly onError: (error: unknown) => void;
  /** A hook or an `afterDurable` threw: a bug. */
  readonly onFault: (error: unknown) => void;
  /** (sequence, id) of an outcome matched nothing in the store: a bug or a store that lost its tail. */
  readonly onMismatch: (count: number) => void;
}

/**
 * Gathers outcomes and records them in batches, one batch under way at a time, in the order in which they came, each after its events.
 * What may only be done once the outcome is durable (a report to the sender) is handed in as `afterDurable`.
 */
export class OutcomeJournal {
  readonly #spool: Pick<Spool, 'record'>;
  readonly #hooks: OutcomeJournalHooks;
  readonly #retryMs: number;
  #closed = false;
  #waiting: Outcome[] = [];
  #afterDurable: (() => void)[] = [];
  #underWay = 0;
  #scheduled = false;
  /** Who waits for the batch that is gathered now. */
  #drained: (() => void)[] = [];

  constructor(spool: Pick<Spool, 'record'>, hooks: OutcomeJournalHooks, retryMs = JOURNAL_RETRY_MS) {
    this.#spool = spool;
    this.#hooks = hooks;
    this.#retryMs = retryMs;
  }

  /** Outcomes that a `kill -9` would lose now. */
  get unjournalled(): number {
    return this.#waiting.length + this.#underWay;
  }

  /** `true` = no transaction may start. */
  get full(): boolean {
    return this.unjournalled > MAX_UNJOURNALLED_OUTCOMES;
  }

  /** The pod ends and its store closes: what is not durable yet never will be, and its mail is sent again by the next process. */
  close(): void {
    this.#closed = true;
  }

  add(outcome: Outcome, afterDurable?: () => void): void {
    if (this.#closed) return;
    this.#waiting.push(outcome);
    if (afterDurable !== undefined) this.#afterDurable.push(afterDurable);
    if (!this.#scheduled && this.#underWay === 0) {
      this.#scheduled = true;
      setImmediate(() => void this.#flush());
    }
  }

  /** Resolves when everything that was added so far is durable, however much is added meanwhile. */
  drained(): Promise<void> {
    if (this.unjournalled === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
  }

  async #flush(): Promise<void> {
    this.#scheduled = false;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      const callbacks = this.#afterDurable;
      const drained = this.#drained;
      this.#waiting = [];
      this.#afterDurable = [];
      this.#drained = [];
      this.#underWay = batch.length;
      const durable = await this.#record(batch);
      const wasFull = this.full;
      this.#underWay = 0;
      if (durable) for (const callback of callbacks) this.#call(callback);
      if (wasFull && !this.full) this.#call(this.#hooks.onRoom);
      for (const resolve of drained) resolve();
    }
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  /** Whoever is told may fail; the outcomes behind him are recorded all the same. */
  #call(callback: () => void): void {
    try {
      callback();
    } catch (error) {
      this.#hooks.onFault(error);
    }
  }

  /** Tries until the store takes the batch: an outcome is never dropped, transactions stop at W meanwhile. */
  async #record(batch: readonly Outcome[]): Promise<boolean> {
    try {
      await this.#hooks.eventsStored();
    } catch (error) {
      this.#hooks.onFault(error);
    }
    for (;;) {
      if (this.#closed) return false;
      try {
        const { mismatched } = await this.#spool.record(batch);
        if (mismatched > 0) this.#hooks.onMismatch(mismatched);
        return true;
      } catch (error) {
        this.#hooks.onError(error);
        if (this.#closed) return false;
        await new Promise((resolve) => setTimeout(resolve, this.#retryMs));
      }
    }
  }
}
