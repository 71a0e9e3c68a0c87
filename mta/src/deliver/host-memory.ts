/** What a host announces and cannot do. */
export type Flaw = 'Tls' | 'Chunking' | 'Pipelining';

/** A flaw is believed for so long, milliseconds; then the host is given another chance. */
export const FLAW_MEMORY_MS = 3_600_000;

/** Flaws remembered at a time, about 150 bytes each; the ones that were not needed for longest are forgotten first. */
export const MAX_REMEMBERED_FLAWS = 10_000;

/**
 * Which hosts announce what they cannot do, so that only the first connection pays for finding it out. Kept for one address of a host: behind
 * one name there may be machines of several kinds.
 *
 * Example: `memory.remember('Tls', 'mx.example[192.0.2.1]:25'); memory.knows('Tls', 'mx.example[192.0.2.1]:25')` → `true` for an hour
 */
export class HostMemory {
  readonly #nowMs: () => number;
  /** `Tls mx.example[192.0.2.1]:25` → the time until which it is believed; in the order of their last use. */
  readonly #untilMs = new Map<string, number>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  remember(flaw: Flaw, host: string): void {
    const key = `${flaw} ${host}`;
    this.#untilMs.delete(key);
    this.#untilMs.set(key, this.#nowMs() + FLAW_MEMORY_MS);
    if (this.#untilMs.size <= MAX_REMEMBERED_FLAWS) return;
    const [oldest] = this.#untilMs.keys();
    if (oldest !== undefined) this.#untilMs.delete(oldest);
  }

  knows(flaw: Flaw, host: string): boolean {
    const key = `${flaw} ${host}`;
    const untilMs = this.#untilMs.get(key);
    if (untilMs === undefined) return false;
    this.#untilMs.delete(key);
    if (untilMs <= this.#nowMs()) return false;
    this.#untilMs.set(key, untilMs);
    return true;
  }
}

/** The name under which a host's flaws are kept: `mx.example[192.0.2.1]:25`. */
export function hostPlace(options: {
  readonly hostName: string;
  readonly address: string;
  readonly port: number;
}): string {
  return `${options.hostName}[${options.address}]:${options.port}`;
}
