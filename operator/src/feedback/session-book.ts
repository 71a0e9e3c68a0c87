import { type EgressReport, type PodFacts, parseEgressReport, podFactsSchema } from '@sluice/crds';
import { z } from 'zod';

/** A session is over when it has not been renewed for so long; pods renew theirs every 4 s and stop by themselves after 18 s. Milliseconds. */
const DEAD_AFTER_MS = 20_000;
/** After a longer pause between two proofs everybody gets that time anew: while NATS was away nobody could renew anything. Milliseconds. */
const GAP_MS = 10_000;
/** Sessions that are kept; a bucket that somebody fills must not fill the operator. */
const MAX_SESSIONS = 10_000;

/** As much of a session as is of interest here; written by the MTA, `session-bucket.ts`. */
const sessionRecord = podFactsSchema.extend({ ended: z.boolean() });

/** A process that lives, and what it says of itself. */
export interface LivingSession {
  readonly session: string;
  readonly facts: PodFacts;
  /** Of its sources; absent = it has nothing to report. */
  readonly report?: EgressReport;
}

interface Known {
  facts: PodFacts | undefined;
  text: string;
  report: EgressReport | undefined;
  reportText: string;
  heardMs: number;
  isEnded: boolean;
}

/**
 * Who lives, as read from the bucket of sessions. A session dies by observation: it is dead when everything that was stored until 20 s after its last revision
 * has been read, and no other was among it. So a watch that is behind makes death later, never earlier. Pure.
 *
 * Example: `book.read('01J…', bytes, 0, nowMs); book.caughtUp(askedAtMs); book.living`
 */
export class SessionBook {
  readonly #sessions = new Map<string, Known>();
  #living: readonly LivingSession[] | undefined;
  #provenAtMs: number | undefined;

  /** In the order of their ids, which is that of their starts. The same list until there is news. */
  get living(): readonly LivingSession[] {
    this.#living ??= [...this.#sessions]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .flatMap(([session, { facts, report, isEnded }]) =>
        facts === undefined || isEnded ? [] : [{ session, facts, ...(report && { report }) }],
      );
    return this.#living;
  }

  /**
   * A revision of a session was read.
   *
   * @param ageMs how long it had been stored by then: what was there before a watch began may be long over
   */
  read(session: string, bytes: Uint8Array, ageMs: number, nowMs: number): void {
    const text = Buffer.from(bytes).toString('utf8');
    const parsed = sessionRecord.safeParse(jsonOf(text));
    if (!parsed.success) return;
    const known = this.#known(session, nowMs);
    if (known === undefined) return;
    const { ended, ...facts } = parsed.data;
    const factsText = JSON.stringify(facts);
    if (known.text !== factsText || known.isEnded !== ended) this.#living = undefined;
    known.facts = facts;
    known.text = factsText;
    known.isEnded = ended;
    known.heardMs = nowMs - ageMs;
  }

  /** What a session reports beside. */
  readReport(session: string, bytes: Uint8Array, nowMs: number): void {
    const report = parseEgressReport(bytes);
    const known = this.#known(session, nowMs);
    if (report === undefined || known === undefined) return;
    const text = JSON.stringify(report);
    if (text === known.reportText) return;
    known.report = report;
    known.reportText = text;
    this.#living = undefined;
  }

  /** Everything that was stored before this time has been read. */
  caughtUp(askedAtMs: number): void {
    const wasAway = this.#provenAtMs !== undefined && askedAtMs - this.#provenAtMs > GAP_MS;
    this.#provenAtMs = askedAtMs;
    if (wasAway) {
      for (const known of this.#sessions.values()) known.heardMs = Math.max(known.heardMs, askedAtMs);
      return;
    }
    for (const [session, { heardMs }] of this.#sessions) {
      if (askedAtMs - heardMs < DEAD_AFTER_MS) continue;
      this.#sessions.delete(session);
      this.#living = undefined;
    }
  }

  /** Another bucket: nothing of the one of before counts. */
  clear(): void {
    this.#sessions.clear();
    this.#living = undefined;
  }

  #known(session: string, nowMs: number): Known | undefined {
    const known = this.#sessions.get(session);
    if (known !== undefined) return known;
    if (this.#sessions.size >= MAX_SESSIONS) return undefined;
    const fresh: Known = {
      facts: undefined,
      text: '',
      report: undefined,
      reportText: '',
      heardMs: nowMs,
      isEnded: false,
    };
    this.#sessions.set(session, fresh);
    return fresh;
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
