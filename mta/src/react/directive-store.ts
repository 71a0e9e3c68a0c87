import type { Directive } from './directive.ts';
import type { DirectiveSet } from './directive-set.ts';

/** Where the directives of a pod, or of all pods, live. */
export interface DirectiveStore {
  /** What is in force now. */
  readonly set: DirectiveSet;
  /** Called when the set became another one: by this pod, another pod, or time. */
  onChange: (() => void) | undefined;
  /** Why this pod may not know what others put in force since; `undefined` = it knows. */
  readonly trouble: string | undefined;
  /**
   * By hand. Resolves when they are in force and outlive the process. One with the same id is replaced.
   *
   * @throws {SluiceError} `SLUICE_DIRECTIVE_NOT_STORED`, which says what holds nevertheless
   */
  put(directives: readonly Directive[]): Promise<void>;
  /** By reactions: in force here at once, whatever the store says; it is offered to the store until it takes them or they are over. */
  react(directives: readonly Directive[]): void;
  /** Takes back; resolves with how many there were. Throws as `put`. */
  remove(ids: readonly string[]): Promise<number>;
  close(): Promise<void>;
}
