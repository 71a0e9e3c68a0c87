import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import type { AppendRefusal } from '../spool.ts';
import type { Layout } from './layout.ts';

/** How often the streams are asked. */
export const MEASURE_EVERY_MS = 1_000;
/** Above this share of a stream's room mail is refused (DESIGN §4.2). */
const HIGH_WATER_SHARE = 0.85;

interface Room {
  readonly bytes: number;
  readonly maxBytes: number;
}

/** How full the SPOOL streams are, as of the last second. */
export class StreamUsage {
  readonly #manager: JetStreamManager;
  readonly #layout: Layout;
  #rooms: readonly Room[] = [];
  #measuredAtMs = 0;
  #measuring = false;
  #figures = { usedBytes: 0, freeBytes: 0 };

  constructor(manager: JetStreamManager, layout: Layout) {
    this.#manager = manager;
    this.#layout = layout;
  }

  /** Bytes of all SPOOL streams: taken, and left. */
  get figures(): { readonly usedBytes: number; readonly freeBytes: number } {
    return this.#figures;
  }

  /** Segments that have a journal: all that were ever used. */
  async journalSegments(): Promise<readonly number[]> {
    const info = await this.#manager.streams.info(this.#layout.journalStream, {
      subjects_filter: this.#layout.journalSubjects,
    });
    return Object.keys(info.state.subjects ?? {})
      .map((subject) => Number(subject.split('.')[2]))
      .filter(Number.isInteger);
  }

  /** Why a message for a segment is refused for want of room, `aheadBytes` counted in. */
  refusal(segment: number, aheadBytes: number): AppendRefusal | undefined {
    const index = segment % this.#layout.spoolStreams;
    const room = this.#rooms[index];
    if (room === undefined || room.bytes + aheadBytes <= room.maxBytes * HIGH_WATER_SHARE) return undefined;
    const name = this.#layout.spoolStream(index);
    return {
      refused: 'full',
      reason: `${name} holds ${room.bytes} of ${room.maxBytes} bytes; raise its max_bytes`,
    };
  }

  tick(nowMs: number): void {
    if (this.#measuring || nowMs - this.#measuredAtMs < MEASURE_EVERY_MS) return;
    this.#measuredAtMs = nowMs;
    // Figures of before will do while nobody answers.
    this.measure().catch(() => undefined);
  }

  async measure(): Promise<void> {
    this.#measuring = true;
    try {
      const infos = await Promise.all(
        this.#layout.spoolStreamNames.map((name) => this.#manager.streams.info(name)),
      );
      this.#rooms = infos.map(roomOf);
      let usedBytes = 0;
      let freeBytes = 0;
      for (const { bytes, maxBytes } of this.#rooms) {
        usedBytes += bytes;
        freeBytes += Math.max(0, maxBytes - bytes);
      }
      this.#figures = { usedBytes, freeBytes };
    } finally {
      this.#measuring = false;
    }
  }
}

function roomOf({ state, config }: StreamInfo): Room {
  return { bytes: state.bytes, maxBytes: config.max_bytes };
}
