import type { Logger } from '../config/mod.ts';
import type { ProxyRefusal } from './proxy-options.ts';

/** Refusals of one kind are logged this often at most, milliseconds: strangers must not fill the log. */
export const LOG_EVERY_MS = 5_000;

/** Logs refusals: the first of each kind at once, then one line for all of a while, with their number. */
export class RefusalLog {
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  readonly #kinds = new Map<ProxyRefusal, { loggedAtMs: number; untold: number }>();

  constructor(logger: Logger, nowMs: () => number) {
    this.#logger = logger;
    this.#nowMs = nowMs;
  }

  tell(client: string, refused: ProxyRefusal, reason: string): void {
    const nowMs = this.#nowMs();
    const kind = this.#kinds.get(refused);
    if (kind !== undefined && nowMs - kind.loggedAtMs < LOG_EVERY_MS) {
      kind.untold++;
      return;
    }
    const untold = kind?.untold ?? 0;
    this.#kinds.set(refused, { loggedAtMs: nowMs, untold: 0 });
    this.#logger.warn(
      { client, refused, reason, ...(untold === 0 ? {} : { sinceLastLine: untold }) },
      'a client is refused',
    );
  }
}
