import type { Agenda } from '../agenda.ts';
import type { SimulatedProcess } from './simulated-process.ts';

/** One change: what a key is since. */
export interface StoreChange<Value> {
  readonly key: string;
  readonly value: Value;
  readonly revision: number;
}

interface Watcher<Value> {
  readonly process: SimulatedProcess;
  readonly receive: (change: StoreChange<Value>, nowMs: number) => void;
  read: number;
  scheduled: boolean;
}

/** A key-value store in one order for all, whose answers and watches take their time and reach nobody who is cut off. */
export class SimulatedStore<Value> {
  readonly #agenda: Agenda;
  readonly #delayMs: () => number;
  readonly #watchDelayMs: () => number;
  readonly #isCut: (process: SimulatedProcess) => boolean;
  readonly #log: StoreChange<Value>[] = [];
  readonly #latest = new Map<string, StoreChange<Value>>();
  readonly #watchers = new Set<Watcher<Value>>();

  /** `delayMs` of requests and answers, `watchDelayMs` of what a watch tells: with hundreds of watchers it tells many changes together. */
  constructor(
    agenda: Agenda,
    delayMs: () => number,
    watchDelayMs: () => number,
    isCut: (process: SimulatedProcess) => boolean,
  ) {
    this.#agenda = agenda;
    this.#delayMs = delayMs;
    this.#watchDelayMs = watchDelayMs;
    this.#isCut = isCut;
  }

  /** `onRevision` absent = whatever is there. `answered` may never be called, though it was stored. */
  put(
    process: SimulatedProcess,
    key: string,
    value: Value,
    onRevision: number | undefined,
    answered: (change: StoreChange<Value> | undefined, nowMs: number) => void,
  ): void {
    this.#request(process, () => {
      const now = this.#latest.get(key)?.revision ?? 0;
      if (onRevision !== undefined && onRevision !== now) {
        this.#answer(process, (nowMs) => answered(undefined, nowMs));
        return;
      }
      const change = { key, value, revision: this.#log.length + 1 };
      this.#log.push(change);
      this.#latest.set(key, change);
      this.#answer(process, (nowMs) => answered(change, nowMs));
      for (const watcher of this.#watchers) this.#schedule(watcher);
    });
  }

  get(
    process: SimulatedProcess,
    key: string,
    answered: (change: StoreChange<Value> | undefined, nowMs: number) => void,
  ): void {
    this.#request(process, () => {
      const change = this.#latest.get(key);
      this.#answer(process, (nowMs) => answered(change, nowMs));
    });
  }

  /** First what stands, then every change, in order; `ready` after the former. */
  watch(
    process: SimulatedProcess,
    receive: (change: StoreChange<Value>, nowMs: number) => void,
    ready: () => void,
  ): void {
    const standing = [...this.#latest.values()];
    const watcher = { process, receive, read: this.#log.length, scheduled: false };
    this.#agenda.at(this.#agenda.nowMs + this.#delayMs(), () =>
      process.do((nowMs) => {
        for (const change of standing) receive(change, nowMs);
        ready();
        this.#watchers.add(watcher);
        this.#schedule(watcher);
      }),
    );
  }

  #schedule(watcher: Watcher<Value>): void {
    if (watcher.scheduled) return;
    if (!watcher.process.alive) {
      this.#watchers.delete(watcher);
      return;
    }
    watcher.scheduled = true;
    this.#agenda.at(this.#agenda.nowMs + this.#watchDelayMs(), () => {
      watcher.scheduled = false;
      if (this.#isCut(watcher.process)) {
        // Comes when it is connected again.
        watcher.scheduled = true;
        this.#agenda.at(this.#agenda.nowMs + RETRY_MS, () => {
          watcher.scheduled = false;
          this.#schedule(watcher);
        });
        return;
      }
      const changes = this.#log.slice(watcher.read);
      watcher.read = this.#log.length;
      watcher.process.do((nowMs) => {
        for (const change of changes) watcher.receive(change, nowMs);
      });
    });
  }

  #request(process: SimulatedProcess, run: () => void): void {
    if (this.#isCut(process)) return;
    this.#agenda.at(this.#agenda.nowMs + this.#delayMs(), run);
  }

  #answer(process: SimulatedProcess, run: (nowMs: number) => void): void {
    this.#agenda.at(this.#agenda.nowMs + this.#delayMs(), () => {
      if (!this.#isCut(process)) process.do(run);
    });
  }
}

/** A client that lost its connection comes back so soon after the cut is over. */
const RETRY_MS = 250;
