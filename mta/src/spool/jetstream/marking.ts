import { setTimeout as pause } from 'node:timers/promises';
import type { Store } from '../segment/place.ts';
import type { PublishResult } from './publisher.ts';

/** Pause before a marker that was not stored is published again. */
export const MARK_AGAIN_MS = 250;

export interface MarkingOptions {
  readonly publish: (store: Store, epoch: number) => Promise<PublishResult>;
  /** Somebody waits for the marker of this epoch. */
  readonly isAwaited: (epoch: number) => boolean;
}

/**
 * Publishes an owner's markers, each until it is stored or nobody waits for it any more: the replay of a store ends with its marker. One attempt is
 * under way for each store, however often its marker is asked for.
 */
export class Marking {
  readonly #options: MarkingOptions;
  readonly #underWay = new Set<Store>();

  constructor(options: MarkingOptions) {
    this.#options = options;
  }

  async mark(store: Store, epoch: number): Promise<void> {
    if (this.#underWay.has(store)) return;
    this.#underWay.add(store);
    const { publish, isAwaited } = this.#options;
    while (isAwaited(epoch)) {
      if ((await publish(store, epoch)).kind === 'stored') break;
      await pause(MARK_AGAIN_MS);
    }
    this.#underWay.delete(store);
  }
}
