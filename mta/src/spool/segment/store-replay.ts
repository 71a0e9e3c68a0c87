import type { OwnerCommand, StoredItem } from './owner-command.ts';
import type { Store } from './place.ts';

/** A command without an answer is given again after so long, milliseconds. */
export const ASK_AGAIN_AFTER_MS = 5_000;
/** A replica that is behind is asked again after so long, milliseconds. */
export const POLL_EVERY_MS = 200;

interface Reading {
  after: number;
  isDone: boolean;
  /** An answer is awaited. */
  isAsked: boolean;
  askedAtMs: number;
  markedAtMs: number;
}

/** Both stores of a segment are read up to the markers of the own epoch: then everything stored before them is known. */
export class StoreReplay {
  readonly #epoch: number;
  readonly #session: string;
  readonly #readings: Readonly<Record<Store, Reading>> = { spool: newReading(), defer: newReading() };

  constructor(epoch: number, session: string) {
    this.#epoch = epoch;
    this.#session = session;
  }

  get isDone(): boolean {
    return this.#readings.spool.isDone && this.#readings.defer.isDone;
  }

  /** Sequence of the own marker, once it was read. */
  readTo(store: Store): number {
    return this.#readings[store].after;
  }

  begin(nowMs: number): readonly OwnerCommand[] {
    return [
      this.#mark('spool', nowMs),
      this.#ask('spool', nowMs),
      this.#mark('defer', nowMs),
      this.#ask('defer', nowMs),
    ];
  }

  /** Asks again. A marker has no answer: one that does not come up in time was lost, or the store was full. */
  poll(nowMs: number): readonly OwnerCommand[] {
    const commands: OwnerCommand[] = [];
    for (const store of ['spool', 'defer'] as const) {
      const { isDone, isAsked, askedAtMs, markedAtMs } = this.#readings[store];
      if (isDone || nowMs < askedAtMs + (isAsked ? ASK_AGAIN_AFTER_MS : POLL_EVERY_MS)) continue;
      if (markedAtMs + ASK_AGAIN_AFTER_MS <= nowMs) commands.push(this.#mark(store, nowMs));
      commands.push(this.#ask(store, nowMs));
    }
    return commands;
  }

  /** Items came. Returns those up to the own marker; none when the answer is not to the last question. */
  read(store: Store, after: number, items: readonly StoredItem[]): readonly StoredItem[] {
    const reading = this.#readings[store];
    if (reading.isDone || after !== reading.after) return [];
    reading.isAsked = false;
    const marker = items.findIndex(
      ({ groups, epoch, id }) => groups === 0 && epoch === this.#epoch && id === this.#session,
    );
    reading.isDone = marker >= 0;
    const taken = marker >= 0 ? items.slice(0, marker + 1) : items;
    reading.after = taken.at(-1)?.sequence ?? reading.after;
    return taken;
  }

  /** More at once, after a page that was not the last. */
  more(store: Store, nowMs: number): readonly OwnerCommand[] {
    return this.#readings[store].isDone ? [] : [this.#ask(store, nowMs)];
  }

  /** Only for tests of the rule that markers are awaited: an empty page ends the reading. */
  giveUp(store: Store): void {
    this.#readings[store].isDone = true;
  }

  #mark(store: Store, nowMs: number): OwnerCommand {
    this.#readings[store].markedAtMs = nowMs;
    return { kind: 'publish-marker', store, epoch: this.#epoch };
  }

  #ask(store: Store, nowMs: number): OwnerCommand {
    const reading = this.#readings[store];
    reading.isAsked = true;
    reading.askedAtMs = nowMs;
    return { kind: 'read-store', store, after: reading.after };
  }
}

function newReading(): Reading {
  return { after: 0, isDone: false, isAsked: false, askedAtMs: 0, markedAtMs: 0 };
}
