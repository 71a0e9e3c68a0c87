import type { Origin } from './translation.ts';

/** Plain content of a resource on its way to YAML; `validateResource` of the language judges it. */
export type Draft = { [member: string]: unknown };

export const SOURCE_SITE = 'source-site';
export const SOURCE_GROUP = 'source-group';

const PER: Readonly<Record<string, readonly string[]>> = {
  [SOURCE_SITE]: ['Source', 'Site'],
  [SOURCE_GROUP]: ['Source', 'Group'],
};

/** How many overrides one limit may have. */
const MAX_OVERRIDES = 16;

/** One layer of a ShapingPolicy while it is translated: the default, or a destination. */
export class LayerDraft {
  readonly #session: Draft = {};
  readonly #retry: Draft = {};
  readonly #limits = new Map<string, Draft>();
  readonly #overrides = new Map<string, Map<string, Draft>>();
  readonly reactions: Draft[] = [];

  /** `path` inside `session`: `timeouts.connect`. */
  session(path: string, value: unknown): void {
    const [head = '', member] = path.split('.');
    if (member === undefined) this.#session[head] = value;
    else this.#session[head] = { ...(this.#session[head] ?? {}), [member]: value };
  }

  retry(member: string, value: unknown): void {
    this.#retry[member] = value;
  }

  bound(limit: string, bound: string, value: unknown, per?: readonly string[]): void {
    const draft = this.#limits.get(limit) ?? { name: limit, per: [...(per ?? PER[limit] ?? [])] };
    draft[bound] = value;
    this.#limits.set(limit, draft);
  }

  /** Another bound for one source. `false` = the limit has as many as it may have. */
  override(limit: string, source: string, bound: string, value: unknown): boolean {
    const list = this.#overrides.get(limit) ?? new Map<string, Draft>();
    this.#overrides.set(limit, list);
    const draft = list.get(source) ?? { name: source, when: { sources: [source] } };
    if (!list.has(source) && list.size >= MAX_OVERRIDES) return false;
    draft[bound] = value;
    list.set(source, draft);
    return true;
  }

  hasLimit(limit: string): boolean {
    return this.#limits.has(limit) || this.#overrides.has(limit);
  }

  /** The layer as the resource has it; members that say nothing are left out. */
  content(): Draft {
    for (const [limit, list] of this.#overrides) {
      const draft = this.#limits.get(limit) ?? { name: limit, per: [...(PER[limit] ?? [])] };
      this.#limits.set(limit, { ...draft, overrides: [...list.values()] });
    }
    return {
      ...(Object.keys(this.#session).length > 0 ? { session: this.#session } : {}),
      ...(Object.keys(this.#retry).length > 0 ? { retry: this.#retry } : {}),
      ...(this.#limits.size > 0 ? { limits: [...this.#limits.values()] } : {}),
      ...(this.reactions.length > 0 ? { reactions: this.reactions } : {}),
    };
  }
}

/** A destination while it is translated. */
export interface DestinationDraft {
  readonly name: string;
  readonly origin: Origin;
  readonly match: Draft;
  readonly layer: LayerDraft;
  /** Sentences for the comment above it. */
  readonly notes: readonly string[];
}
