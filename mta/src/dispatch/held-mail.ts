import { setImmediate } from 'node:timers/promises';
import type { Entry, Queue } from '../queue/mod.ts';
import type { Envelope, MessageBody } from '../spool/mod.ts';
import type { Clock } from './clock.ts';

/** How often the keys that held mail waits for are looked for, milliseconds. */
export const HELD_CHECK_MS = 5_000;
/**
 * Held mail is tried after so long even if the key that it waited for never came: rules may name another one by then. Each such try
 * may open a session for nothing, so it is rare; milliseconds.
 */
export const HELD_RETRY_MS = 3_600_000;

/** Signs what was accepted without a signature; the dispatcher knows no more of DKIM than this. */
export interface HeldSigning {
  /** The message as it may be sent, or the file of the key that is still missing. */
  sign(envelope: Envelope, body: MessageBody): Promise<SignedNow | { readonly waitsFor: string }>;
  hasKey(file: string): Promise<boolean>;
}

export interface SignedNow {
  readonly body: MessageBody;
  readonly sizeBytes: number;
}

/** Entries that become due before the event loop turns. */
const RELEASED_AT_ONCE = 1_000;

interface Held {
  entry: Entry;
  readonly sequence: number;
  readonly group: number;
}

export interface HeldMailOptions {
  readonly queue: Pick<Queue, 'sequence' | 'group' | 'isWaiting' | 'hasten'>;
  readonly clock: Clock;
  readonly signing: HeldSigning | undefined;
  readonly onFault: (error: unknown) => void;
}

/**
 * Entries that wait for a key, by its file. They stay in the queue, asleep for {@link HELD_RETRY_MS}; when the key is there they are due at
 * once. Here are only numbers: an entry that left the queue meanwhile is noticed, and forgotten, when its file is looked at.
 */
export class HeldMail {
  readonly #options: HeldMailOptions;
  readonly #byFile = new Map<string, Held[]>();
  /** The same by their entries. */
  readonly #byEntry = new Map<Entry, Held>();
  #timer: NodeJS.Timeout | undefined;
  #looking = false;

  constructor(options: HeldMailOptions) {
    this.#options = options;
  }

  /** Entries that wait for a key. */
  get size(): number {
    let size = 0;
    for (const held of this.#byFile.values()) size += held.length;
    return size;
  }

  /** When a held entry is due without its key. */
  retryAtMs(): number {
    return this.#options.clock.nowMs() + HELD_RETRY_MS;
  }

  hold(entry: Entry, file: string): void {
    const { queue } = this.#options;
    const held = { entry, sequence: queue.sequence(entry), group: queue.group(entry) };
    const others = this.#byFile.get(file);
    if (others === undefined) this.#byFile.set(file, [held]);
    else others.push(held);
    this.#byEntry.set(entry, held);
    this.#arm();
  }

  /** What was queued as one entry is queued as another one: it waits for its key all the same. To be called while both are in the queue. */
  moved(from: Entry, to: Entry): void {
    const held = this.#byEntry.get(from);
    const { queue } = this.#options;
    if (held === undefined || queue.sequence(from) !== held.sequence || queue.group(from) !== held.group)
      return;
    this.#byEntry.delete(from);
    held.entry = to;
    this.#byEntry.set(to, held);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#byFile.clear();
    this.#byEntry.clear();
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#looking) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.look().catch(this.#options.onFault);
    }, HELD_CHECK_MS);
    this.#timer.unref();
  }

  /** Looks for the keys now; the timer does it by itself. */
  async look(): Promise<void> {
    this.#looking = true;
    try {
      for (const [file, waiting] of [...this.#byFile]) {
        const there = (await this.#options.signing?.hasKey(file)) ?? true;
        if (!there) {
          this.#keep(file, waiting);
          continue;
        }
        this.#byFile.delete(file);
        await this.#release(waiting);
      }
    } finally {
      this.#looking = false;
      if (this.#byFile.size > 0) this.#arm();
    }
  }

  /** They are due at once. One key may free very many: others get their turn in between. */
  async #release(waiting: readonly Held[]): Promise<void> {
    for (const [index, held] of waiting.entries()) {
      if (this.#isStill(held)) this.#options.queue.hasten(held.entry);
      this.#forget(held);
      if (index % RELEASED_AT_ONCE === RELEASED_AT_ONCE - 1) await setImmediate();
    }
  }

  #keep(file: string, waiting: readonly Held[]): void {
    const still = waiting.filter((held) => {
      const is = this.#isStill(held);
      if (!is) this.#forget(held);
      return is;
    });
    if (still.length === 0) this.#byFile.delete(file);
    else this.#byFile.set(file, still);
  }

  #forget(held: Held): void {
    if (this.#byEntry.get(held.entry) === held) this.#byEntry.delete(held.entry);
  }

  /** Numbers of entries are used again: sequence and group tell whether this one still is what was held. */
  #isStill({ entry, sequence, group }: Held): boolean {
    const { queue } = this.#options;
    return queue.isWaiting(entry) && queue.sequence(entry) === sequence && queue.group(entry) === group;
  }
}
