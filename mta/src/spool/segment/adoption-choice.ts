import { SEGMENTS } from './place.ts';

/** Between the turns of two pods that could adopt a segment. */
export const RANK_PAUSE_MS = 200;
/** A pod puts new mail on at most so many of its segments at a time. */
export const MAX_WRITING_SEGMENTS = 4;

/**
 * How long a pod waits before it tries to adopt a segment: its place in the segment's rendezvous order × 200 ms, so that mostly one
 * tries at a time and each pod gets its share. Those that own their share or more come after all others.
 *
 * Example: `adoptionDelayMs(17, own, [own, ...watch.living()], owned, 256)` → 400
 */
export function adoptionDelayMs(
  segment: number,
  session: string,
  living: readonly string[],
  owned: number,
  segments = SEGMENTS,
): number {
  const own = rendezvousWeight(segment, session);
  let rank = 0;
  for (const other of living) {
    const weight = rendezvousWeight(segment, other);
    if (weight > own || (weight === own && other < session)) rank++;
  }
  const isFull = owned >= fairShare(living.length, segments);
  return (rank + (isFull ? living.length : 0)) * RANK_PAUSE_MS;
}

/** Segments that each of so many pods owns at most once things have settled. */
export function fairShare(living: number, segments = SEGMENTS): number {
  return Math.ceil(segments / Math.max(1, living));
}

/** Segments that a pod puts new mail on. */
export function writingSegments(living: number, segments = SEGMENTS): number {
  return Math.max(1, Math.min(MAX_WRITING_SEGMENTS, Math.floor(segments / Math.max(1, living))));
}

/**
 * Which segments a pod gives up so that others get their share: as many as it has too many, at most `atMost` at a time; those with least mail first.
 * Nothing is given up while somebody may be dead or starting: a share that is about to change moves mail for nothing.
 */
export function surplusSegments(
  owned: readonly { readonly segment: number; readonly messages: number; readonly writing: boolean }[],
  living: number,
  atMost: number,
  segments = SEGMENTS,
): readonly number[] {
  const surplus = Math.min(atMost, owned.length - fairShare(living, segments));
  if (surplus <= 0) return [];
  return owned
    .filter(({ writing }) => !writing)
    .toSorted((one, other) => one.messages - other.messages || one.segment - other.segment)
    .slice(0, surplus)
    .map(({ segment }) => segment);
}

/** A well mixed hash of both (FNV-1a, then the finalizer of MurmurHash3). */
function rendezvousWeight(segment: number, session: string): number {
  let hash = 0x811c9dc5 ^ segment;
  for (let index = 0; index < session.length; index++)
    hash = Math.imul(hash ^ session.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
