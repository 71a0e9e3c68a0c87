import { type Directive, DirectiveSet, type DirectiveStore } from '../react/mod.ts';
import { monotonicWallClock } from './clock.ts';

/** Directives that nobody but the test changes; they do not end by themselves. */
export class MemoryDirectives implements DirectiveStore {
  set = DirectiveSet.EMPTY;
  onChange: (() => void) | undefined;
  readonly trouble = undefined;

  react(directives: readonly Directive[]): void {
    void this.put(directives);
  }

  async put(directives: readonly Directive[]): Promise<void> {
    const ids = new Set(directives.map(({ id }) => id));
    this.#become([...this.set.directives.filter(({ id }) => !ids.has(id)), ...directives]);
  }

  async remove(ids: readonly string[]): Promise<number> {
    const before = this.set.directives.length;
    this.#become(this.set.directives.filter(({ id }) => !ids.includes(id)));
    return before - this.set.directives.length;
  }

  async close(): Promise<void> {}

  #become(directives: readonly Directive[]): void {
    this.set = new DirectiveSet(directives, monotonicWallClock.nowMs());
    this.onChange?.();
  }
}
