/** TLS sessions kept for resumption; one is 1 to 3 KB, most of it the peer's certificate. */
export const MAX_TLS_SESSIONS = 4_000;

/** A larger one is not kept, octets. */
export const MAX_TLS_SESSION_BYTES = 8 * 1024;

/** A session is resumed for so long, milliseconds: what its handshake proved of the certificate is not older than that. */
export const TLS_SESSION_MS = 3_600_000;

/** What a handshake left behind: enough for the next one to be cheaper. */
export interface ResumableTls {
  readonly session: Buffer;
  /** What the full handshake found out about the certificate; a resumed one has no certificate to look at. */
  readonly verified: boolean;
  /** Time of that full handshake: resuming a session again and again proves nothing anew. */
  readonly provedAtMs: number;
}

/**
 * Tickets and sessions of TLS (RFC 8446 §2.2, RFC 5077), the newest for each key; the one that was not used for longest is forgotten first.
 * One ticket serves parallel connections too: who sees the addresses knows already that they belong together (RFC 8446 §C.4).
 */
export class TlsSessionCache {
  readonly #nowMs: () => number;
  readonly #kept = new Map<string, ResumableTls>();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get(key: string): ResumableTls | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#kept.delete(key);
    if (kept.provedAtMs + TLS_SESSION_MS <= this.#nowMs()) return undefined;
    this.#kept.set(key, kept);
    return kept;
  }

  set(key: string, resumable: ResumableTls): void {
    if (resumable.session.length > MAX_TLS_SESSION_BYTES) return;
    this.#kept.delete(key);
    this.#kept.set(key, resumable);
    if (this.#kept.size <= MAX_TLS_SESSIONS) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }

  forget(key: string): void {
    this.#kept.delete(key);
  }
}
