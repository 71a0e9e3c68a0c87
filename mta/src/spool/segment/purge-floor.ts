import type { Place, Store } from './place.ts';

/** A publish of which no answer came is given up after so long: it cannot be under way any more, milliseconds. */
export const PUBLISH_LOST_AFTER_MS = 120_000;

interface Pending {
  /** It will lie behind this sequence. */
  readonly after: number;
  readonly sinceMs: number;
  /** Its sender was refused: if it is found, it is withdrawn. */
  refused: boolean;
}

/**
 * Publishes whose place is not known yet: new mail to SPOOL, copies to DEFER. What they may become must not be purged, and a purge goes
 * by sequence: so none goes past where the oldest of them may lie. Pure.
 */
export class PurgeFloor {
  readonly #pending: Readonly<Record<Store, Map<string, Pending>>> = { spool: new Map(), defer: new Map() };

  /** `tail`: the last sequence of the segment known in the store before the publish was sent. */
  begin(store: Store, id: string, tail: number, nowMs: number): void {
    this.#pending[store].set(id, { after: tail, sinceMs: nowMs, refused: false });
  }

  /** Its place is known and counted, or it is certain that there is none. */
  end(store: Store, id: string): void {
    this.#pending[store].delete(id);
  }

  /** No answer in time: the sender was told to come again. */
  refuse(store: Store, id: string): void {
    const pending = this.#pending[store].get(id);
    if (pending !== undefined) pending.refused = true;
  }

  pending(store: Store): number {
    return this.#pending[store].size;
  }

  isPending(store: Store, id: string): boolean {
    return this.#pending[store].has(id);
  }

  isRefused(store: Store, id: string): boolean {
    return this.#pending[store].get(id)?.refused === true;
  }

  get hasRefused(): boolean {
    for (const { refused } of this.#pending.spool.values()) if (refused) return true;
    return false;
  }

  expire(nowMs: number): void {
    for (const pending of [this.#pending.spool, this.#pending.defer])
      for (const [id, { refused, sinceMs }] of pending)
        if (refused && nowMs - sinceMs > PUBLISH_LOST_AFTER_MS) pending.delete(id);
  }

  /** The highest sequence up to which a store may be purged. */
  limit(store: Store): number {
    let limit = Number.POSITIVE_INFINITY;
    for (const { after } of this.#pending[store].values()) limit = Math.min(limit, after);
    return limit;
  }

  clear(): void {
    this.#pending.spool.clear();
    this.#pending.defer.clear();
  }
}

/** Up to where a store may be purged, and what must still lie there: the first live message, else the last thing known. */
export function purgePoint(
  firstLive: Place | undefined,
  tail: Place | undefined,
  limit: number,
): { readonly upTo: number; readonly guard: Place } | undefined {
  const guard = firstLive ?? tail;
  return guard === undefined ? undefined : { upTo: Math.min(guard.sequence - 1, limit), guard };
}
