import type { Directive } from './directive.ts';
import { DirectiveSet } from './directive-set.ts';

/** Longest delay of a timer of Node, milliseconds; what is later is looked at again. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export interface StandingSetOptions {
  /** What is known now; those whose time is over may be among them. */
  readonly directives: () => Iterable<Directive>;
  /** Wall time, milliseconds. */
  readonly nowMs: () => number;
  /** The set became another one. */
  readonly onChange: () => void;
}

/**
 * The set in force of directives that come and go. It is made when somebody looks at it, so that a storm of changes is no storm of sets, and
 * again when time alone makes it another one.
 *
 * Example: `const standing = new StandingSet({ directives: () => byId.values(), nowMs, onChange }); byId.set(…); standing.changed()`
 */
export class StandingSet {
  readonly #options: StandingSetOptions;
  #set = DirectiveSet.EMPTY;
  #stale = false;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Immediate | undefined;
  #closed = false;

  constructor(options: StandingSetOptions) {
    this.#options = options;
  }

  get current(): DirectiveSet {
    if (this.#stale) this.#make();
    return this.#set;
  }

  /** To be called when what is known changed. */
  changed(): void {
    if (this.#closed) return;
    this.#stale = true;
    // Its next change by time must be known though nobody looks.
    this.#soon ??= setImmediate(() => void this.current);
    this.#options.onChange();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearImmediate(this.#soon);
  }

  #make(): void {
    const { directives, nowMs } = this.#options;
    this.#stale = false;
    clearImmediate(this.#soon);
    this.#soon = undefined;
    this.#set = new DirectiveSet([...directives()], nowMs());
    clearTimeout(this.#timer);
    const nextMs = this.#set.nextChangeAtMs();
    if (nextMs === undefined || this.#closed) return;
    // A timer may ring a moment early by this clock: never before the time itself.
    const delayMs = Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(nextMs - nowMs())));
    this.#timer = setTimeout(() => this.changed(), delayMs);
    this.#timer.unref();
  }
}
