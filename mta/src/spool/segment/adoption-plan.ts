import { adoptionDelayMs } from './adoption-choice.ts';
import { SEGMENTS } from './place.ts';

/** A segment whose journal named a living owner is looked at again after so long, milliseconds. */
export const DECLINED_PAUSE_MS = 5_000;
/** Adoptions that a pod has under way at a time: the first ones should deliver before the last ones begin. */
export const MAX_ADOPTIONS = 8;

/**
 * When a pod tries to adopt which segments: those that no living session claims. Claims travel in the values of the sessions; they are only
 * a hint, the journal decides. Pure.
 */
export class AdoptionPlan {
  readonly #session: string;
  readonly #segments: number;
  readonly #claims = new Map<string, ReadonlySet<number>>();
  /** When it is this pod's turn, by segment that nobody claims. */
  readonly #turnAtMs = new Map<number, number>();

  constructor(session: string, segments = SEGMENTS) {
    this.#session = session;
    this.#segments = segments;
  }

  /** A session says what it owns. */
  claim(session: string, segments: readonly number[]): void {
    this.#claims.set(session, new Set(segments));
  }

  /** It is dead, or it ended. */
  gone(session: string): void {
    this.#claims.delete(session);
  }

  /** The journal names a living owner. */
  declined(segment: number, nowMs: number): void {
    this.#turnAtMs.set(segment, nowMs + DECLINED_PAUSE_MS);
  }

  /**
   * Segments to adopt now. `held`: those in hand in any phase; `adopting`: how many of them are not owned yet; `living`: other sessions
   * that live.
   */
  due(
    held: ReadonlySet<number>,
    adopting: number,
    living: readonly string[],
    nowMs: number,
  ): readonly number[] {
    const claimed = new Set<number>();
    for (const segments of this.#claims.values()) for (const segment of segments) claimed.add(segment);
    const pods = [this.#session, ...living];
    const due: number[] = [];
    for (let segment = 0; segment < this.#segments; segment++) {
      if (held.has(segment) || claimed.has(segment)) {
        this.#turnAtMs.delete(segment);
        continue;
      }
      let turnAtMs = this.#turnAtMs.get(segment);
      if (turnAtMs === undefined) {
        turnAtMs = nowMs + adoptionDelayMs(segment, this.#session, pods, held.size, this.#segments);
        this.#turnAtMs.set(segment, turnAtMs);
      }
      if (nowMs < turnAtMs || adopting + due.length >= MAX_ADOPTIONS) continue;
      this.#turnAtMs.delete(segment);
      due.push(segment);
    }
    return due;
  }
}
