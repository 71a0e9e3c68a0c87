import { DeferGeneration } from '../segment/defer-generation.ts';
import type { OwnerCommand } from '../segment/owner-command.ts';
import type { Place, Store } from '../segment/place.ts';
import type { SegmentOwner } from '../segment/segment-owner.ts';
import type { CopyRoom } from './copy-room.ts';

/** After so long unsent a message is put aside, so that SPOOL stays near-FIFO (DESIGN §5). */
export const MOVE_AFTER_MS = 180_000;
/** How often it is looked how much of a segment in DEFER is over, milliseconds. */
export const LOOK_AT_DEFER_EVERY_MS = 60_000;
/** Copies of one segment at a time, so that others get theirs. */
const COPIES_OF_A_SEGMENT = 16;

export interface PutAsideOptions {
  readonly owner: SegmentOwner;
  readonly room: CopyRoom;
  readonly moveAfterMs: number;
  readonly lookAtDeferEveryMs: number;
  readonly carryOut: (command: OwnerCommand) => void;
  /** What the segment has in DEFER, parts and markers too. */
  readonly itemsInDefer: () => Promise<number>;
  /** Parts of messages in DEFER that live. */
  readonly livePartsInDefer: () => number;
}

/** Copies what waits for long to DEFER, and what has survived there to its end. */
export class PutAside {
  readonly #options: PutAsideOptions;
  readonly #generation = new DeferGeneration();
  #underWay = 0;
  #lookAtMs: number;
  #looking = false;
  #acceptedBeforeMs = 0;
  #more: NodeJS.Immediate | undefined;

  constructor(options: PutAsideOptions, nowMs: number) {
    this.#options = options;
    // Not all segments at once.
    this.#lookAtMs = nowMs + options.lookAtDeferEveryMs * (0.5 + 0.5 * Math.random());
  }

  /** To be called several times a second while the segment is owned. */
  tick(nowMs: number, nowWallMs: number): void {
    this.#acceptedBeforeMs = nowWallMs - this.#options.moveAfterMs;
    if (nowMs >= this.#lookAtMs && !this.#looking) void this.#look(nowMs);
    this.#copy(nowMs);
  }

  /** A copy ended; after one that failed the next ones wait for the tick, because they would fail as well. */
  ended(stored: boolean): void {
    this.#underWay--;
    if (!stored) return;
    this.#more ??= setImmediate(() => {
      this.#more = undefined;
      this.#copy(performance.now());
    });
  }

  close(): void {
    clearImmediate(this.#more);
  }

  #copy(nowMs: number): void {
    const { owner } = this.#options;
    if (owner.phase !== 'live') return;
    const before = ulidTime(this.#acceptedBeforeMs);
    this.#copySome('spool', nowMs, ({ id }) => id.slice(0, before.length) < before);
    this.#generation.survives(owner.oldest('defer', 1)[0]?.sequence);
    const { upTo } = this.#generation;
    if (upTo > 0) this.#copySome('defer', nowMs, ({ sequence }) => sequence <= upTo);
  }

  #copySome(store: Store, nowMs: number, isDue: (place: Place) => boolean): void {
    const { owner, room, carryOut } = this.#options;
    if (this.#underWay >= COPIES_OF_A_SEGMENT || !room.hasRoom) return;
    for (const place of owner.movable(store, COPIES_OF_A_SEGMENT - this.#underWay)) {
      if (!isDue(place) || !room.hasRoom) return;
      for (const command of owner.move(place, nowMs)) {
        this.#underWay++;
        room.take();
        carryOut(command);
      }
    }
  }

  async #look(nowMs: number): Promise<void> {
    const { owner, lookAtDeferEveryMs, itemsInDefer, livePartsInDefer } = this.#options;
    this.#lookAtMs = nowMs + lookAtDeferEveryMs;
    const tail = owner.tail('defer');
    if (owner.phase !== 'live' || owner.count('defer') === 0 || tail === undefined) return;
    this.#looking = true;
    try {
      const items = await itemsInDefer();
      this.#generation.look(items, owner.count('defer') + livePartsInDefer(), tail.sequence);
    } catch {
      // Asked again.
    } finally {
      this.#looking = false;
    }
  }
}

const ULID_ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const ULID_TIME_CHARACTERS = 10;

/** The first ten characters of a ULID of this wall time: ids compare by time as texts. */
function ulidTime(wallMs: number): string {
  let rest = Math.max(0, Math.floor(wallMs));
  let text = '';
  for (let index = 0; index < ULID_TIME_CHARACTERS; index++) {
    text = (ULID_ALPHABET[rest % 32] ?? '') + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
