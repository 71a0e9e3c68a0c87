import type { PoolConfig, SourceConfig } from '@sluice/crds';
import { createSourceChoice, type SourceChoice } from '../egress/mod.ts';
import type { CarriedUnit } from './carried-unit.ts';
import { LaneSource, type LaneSourceHost } from './lane-source.ts';

/**
 * The sources of one lane and the choice among them. What a lane never used costs nothing: with 200 sources and 20,000 sites most
 * pairs never meet.
 */
export class LaneSources {
  readonly #pool: PoolConfig;
  readonly #host: LaneSourceHost;
  readonly #choice: SourceChoice;
  readonly #used = new Map<string, LaneSource>();

  constructor(pool: PoolConfig, host: LaneSourceHost) {
    this.#pool = pool;
    this.#host = host;
    this.#choice = createSourceChoice(pool.sources);
  }

  /** The source of this name; `undefined` = the pool has none. */
  named(name: string): LaneSource | undefined {
    const known = this.#used.get(name);
    if (known !== undefined || name === '') return known;
    const source = this.#pool.sources.find((each) => each.name === name);
    return source === undefined ? undefined : this.#use(source);
  }

  /** The source of this name if this lane has used it. */
  used(name: string): LaneSource | undefined {
    return this.#used.get(name);
  }

  readonly #usable = (source: SourceConfig): boolean =>
    this.#used.get(source.name)?.usable ?? (source.state === 'Active' && !this.#host.suspends(source));

  /** Whether mail that prefers this source must leave from another one. */
  readonly standsInFor = (preferredSource: string): boolean => this.named(preferredSource)?.usable !== true;

  /** The source of the next connection among those that may open one now; `undefined` = none may. */
  choose(mayOpen: (laneSource: LaneSource) => boolean): LaneSource | undefined {
    const source = this.#choice.choose(this.#usable, (each) => mayOpen(this.#use(each)));
    return source === undefined ? undefined : this.#use(source);
  }

  /** Weights hold over time: `false` = the source is ahead and leaves mail to the others. */
  mayPull(laneSource: LaneSource): boolean {
    return this.#choice.mayPull(laneSource.source, this.#usable);
  }

  /** Nobody but this source can carry the unit now: however far ahead it is, there is no one to leave its mail to. */
  onlyFor(laneSource: LaneSource, unit: CarriedUnit): boolean {
    return this.#pool.sources.every(
      (each) => each.name === laneSource.source.name || !this.#usable(each) || unit.barredFrom(each),
    );
  }

  /** The source carried a message. */
  charge(laneSource: LaneSource): void {
    this.#choice.charge(laneSource.source, 1);
  }

  /** Another source could carry the lane's mail, if not now then when a limit lets it. */
  hasAlternativeTo(laneSource: LaneSource): boolean {
    return this.#pool.sources.some(
      (each) =>
        each.name !== laneSource.source.name &&
        each.state === 'Active' &&
        this.#used.get(each.name)?.resting !== true &&
        !this.#host.suspends(each),
    );
  }

  stopWaiting(): void {
    for (const laneSource of this.#used.values()) laneSource.stopWaiting();
  }

  close(): void {
    for (const laneSource of this.#used.values()) laneSource.close();
  }

  #use(source: SourceConfig): LaneSource {
    const known = this.#used.get(source.name);
    if (known !== undefined) return known;
    const laneSource = new LaneSource(source, this.#host);
    this.#used.set(source.name, laneSource);
    return laneSource;
  }
}
