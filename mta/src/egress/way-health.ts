import { SluiceError, type SourceConfig, wayOutText } from '@sluice/crds';
import type { Dial } from './dial.ts';

/** A failure that nobody saw again for so long is forgotten: the source is not used any more, or not by this way. Milliseconds. */
const FORGET_AFTER_MS = 900_000;
/** Sources that are remembered; more than that are broken together, and the first ones tell why. */
const MAX_REMEMBERED = 10_000;

/** A way out that does not work. */
export interface BrokenWay {
  readonly source: string;
  /** Public address of the source. */
  readonly address: string;
  /** `SOCKS5 egress-a.mail.svc:1080` */
  readonly way: string;
  /** Wall time of the first failure since it last worked, milliseconds. */
  readonly sinceMs: number;
  readonly reason: string;
}

/**
 * Which sources cannot connect because of their own way out: no such address on this machine, a proxy that is down or refuses. Known from
 * connections that were wanted; a host that does not answer says nothing of the way. Pure.
 *
 * Example: `health.failed(source, 'connection refused', nowMs); health.broken(nowMs)[0]?.way`
 */
export class WayHealth {
  readonly #broken = new Map<string, BrokenWay & { lastMs: number }>();
  /** Rises when {@link broken} may say something else. */
  version = 0;

  failed(source: SourceConfig, reason: string, nowMs: number): void {
    const key = keyOf(source);
    const known = this.#broken.get(key);
    if (known !== undefined && known.reason === reason) {
      known.lastMs = nowMs;
      return;
    }
    if (known === undefined && this.#broken.size >= MAX_REMEMBERED) return;
    const { name, address, egress } = source;
    const sinceMs = known?.sinceMs ?? nowMs;
    this.#broken.set(key, {
      source: name,
      address,
      way: wayOutText(egress),
      sinceMs,
      reason,
      lastMs: nowMs,
    });
    this.version++;
  }

  worked(source: SourceConfig): void {
    // Nearly always nothing is broken: then a connection costs no string.
    if (this.#broken.size > 0 && this.#broken.delete(keyOf(source))) this.version++;
  }

  /** Those that have waited longest first. */
  broken(nowMs: number): readonly BrokenWay[] {
    for (const [key, { lastMs }] of this.#broken)
      if (nowMs - lastMs > FORGET_AFTER_MS) this.#broken.delete(key);
    return [...this.#broken.values()].toSorted(
      (a, b) => a.sinceMs - b.sinceMs || (keyText(a) < keyText(b) ? -1 : 1),
    );
  }
}

/** The same dialler; what it comes to is remembered. */
export function watchedDial(dial: Dial, health: WayHealth, nowMs: () => number): Dial {
  return async (source, target, timeoutMs, signal) => {
    try {
      const socket = await dial(source, target, timeoutMs, signal);
      health.worked(source);
      return socket;
    } catch (error) {
      if (error instanceof SluiceError) health.failed(source, error.message, nowMs());
      // Whoever gave up learnt nothing; any other error is the target's, so the way there works.
      else if (!signal.aborted) health.worked(source);
      throw error;
    }
  };
}

function keyOf({ name, address, egress }: SourceConfig): string {
  return `${name} ${address} ${wayOutText(egress)}`;
}

function keyText({ source, address, way }: BrokenWay): string {
  return `${source} ${address} ${way}`;
}
