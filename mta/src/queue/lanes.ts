import type { LaneId } from './contract.ts';
import { Lane } from './lane.ts';

/** All lanes, by number and by (pool, site). */
export class Lanes {
  readonly #byId = new Map<LaneId, Lane>();
  /** By pool, then site. Pools are few and stay; two look-ups are cheaper than building a text for each message. */
  readonly #byPool = new Map<string, Map<string, Lane>>();
  #lastId: LaneId = 0;

  get ids(): IterableIterator<LaneId> {
    return this.#byId.keys();
  }

  open(pool: string, site: string): Lane {
    const known = this.#byPool.get(pool)?.get(site);
    if (known !== undefined) return known;
    const lane = new Lane(++this.#lastId, { pool, site });
    this.#byId.set(lane.id, lane);
    const bySite = this.#byPool.get(pool);
    if (bySite === undefined) this.#byPool.set(pool, new Map([[site, lane]]));
    else bySite.set(site, lane);
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
    this.#byPool.get(lane.key.pool)?.delete(lane.key.site);
  }
}
