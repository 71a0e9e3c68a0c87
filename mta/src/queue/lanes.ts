import type { LaneId, LaneKey } from './contract.ts';
import { Lane } from './lane.ts';

/** All lanes, by number and by (pool, site). */
export class Lanes {
  readonly #byId = new Map<LaneId, Lane>();
  readonly #byKey = new Map<string, Lane>();
  #lastId: LaneId = 0;

  get ids(): IterableIterator<LaneId> {
    return this.#byId.keys();
  }

  open(pool: string, site: string): Lane {
    const text = keyText(pool, site);
    const known = this.#byKey.get(text);
    if (known !== undefined) return known;
    const key: LaneKey = { pool, site };
    const lane = new Lane(++this.#lastId, key);
    this.#byId.set(lane.id, lane);
    this.#byKey.set(text, lane);
    return lane;
  }

  find(id: LaneId): Lane | undefined {
    return this.#byId.get(id);
  }

  get(id: LaneId): Lane {
    const lane = this.#byId.get(id);
    if (lane === undefined) throw new RangeError(`there is no lane ${id}: it was empty and not pinned`);
    return lane;
  }

  forgetIfAbandoned(lane: Lane): void {
    if (!lane.abandoned) return;
    this.#byId.delete(lane.id);
    this.#byKey.delete(keyText(lane.key.pool, lane.key.site));
  }
}

function keyText(pool: string, site: string): string {
  return `${pool}\n${site}`;
}
