import type { EffectiveLimit } from './effective-policy.ts';
import type { LayerLimit } from './egress-config.ts';

/** What one path of layers comes to, and the paths that go on from it. */
interface Step {
  limit: EffectiveLimit | undefined | 'unresolved';
  readonly next: Map<LayerLimit, Step>;
}

/**
 * Remembers what the same layers of a limit came to: pools that differ elsewhere get the very same object, so that comparing
 * their limits is comparing identities, and merging a thousand destinations for a hundred pools is a thousand merges.
 */
export class LimitIntern {
  readonly #root: Step = { limit: 'unresolved', next: new Map() };

  /** The limit that these parts, widest first, come to; `merge` is asked the first time only. */
  of(
    parts: readonly LayerLimit[],
    merge: (parts: readonly LayerLimit[]) => EffectiveLimit | undefined,
  ): EffectiveLimit | undefined {
    let step = this.#root;
    for (const part of parts) {
      let next = step.next.get(part);
      if (next === undefined) {
        next = { limit: 'unresolved', next: new Map() };
        step.next.set(part, next);
      }
      step = next;
    }
    if (step.limit === 'unresolved') step.limit = merge(parts);
    return step.limit;
  }
}
