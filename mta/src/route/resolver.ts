import { BoundedCache } from './bounded-cache.ts';
import type { DnsFailure } from './dns-client.ts';
import {
  type Alias,
  type DnsQuestion,
  type FoundNothing,
  type FoundRecords,
  MAX_ALIASES,
  type RecordType,
} from './dns-message.ts';
import { Turnstile } from './turnstile.ts';

export type DnsAnswer = FoundRecords | FoundNothing | DnsFailure;

/** An answer and how long it counts. */
export interface TimedAnswer {
  readonly answer: DnsAnswer;
  readonly expiresAtMs: number;
  /**
   * The answer is past its time, or a negative one without proof: mail may go by it, but none may be returned for it. Broken
   * resolvers, and those whose upstream is down, say for a while that there is nothing.
   */
  readonly doubtful: boolean;
  /** Since when the servers say without proof that there is nothing. */
  readonly unprovenSinceMs?: number;
  /** Until then it may be used again and again while the servers fail. */
  readonly staleUntilMs: number;
}

export interface ResolverOptions {
  /** One question to the servers; see {@link DnsClient.query}. */
  readonly query: (question: DnsQuestion) => Promise<FoundRecords | FoundNothing | Alias | DnsFailure>;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  readonly maxAnswers?: number;
  readonly maxInFlight?: number;
  readonly maxWaiting?: number;
}

/** Shorter TTLs would have us ask all the time: a destination's MX does not move by the second. */
export const MIN_TTL_MS = 30_000;
/** RFC 8767 §4 advises a cap; a day is what mail can wait for a moved MX. */
export const MAX_TTL_MS = 86_400_000;
/** A domain that somebody just registered, or just repaired, is found within minutes. RFC 2308 §5 allows hours. */
export const MAX_NEGATIVE_TTL_MS = 300_000;
/** Also for negative answers without SOA. */
export const MIN_NEGATIVE_TTL_MS = 5_000;
/** RFC 9520 §3.2: failures are remembered too, 5 s at first. */
export const FAILURE_TTL_MS = 5_000;
/** RFC 8767 §5: so long after its end an answer is still used while the servers fail. */
export const MAX_STALE_MS = 86_400_000;
/** RFC 8767 §5: with a stale answer at hand the servers are asked again after this. */
export const STALE_RECHECK_MS = 30_000;
/** So long must servers say without proof (no SOA) that there is nothing, before mail is returned for it. */
export const DOUBT_MS = 600_000;
export const MAX_ANSWERS = 100_000;
/** Sockets that wait for DNS at a time. */
export const MAX_IN_FLIGHT = 128;
/** Look-ups that wait for a socket; a pod that starts with a backlog asks for all its domains at once. */
export const MAX_WAITING = 50_000;
const CROWDED: DnsFailure = { kind: 'failure', reason: 'too many look-ups are waiting' };

/**
 * Answers with memory: TTLs with floor and ceiling, negative answers (RFC 2308), failures (RFC 9520), stale answers while all
 * servers fail (RFC 8767). Look-ups of one name and type that overlap share one query. Never rejects.
 */
export class Resolver {
  readonly #query: ResolverOptions['query'];
  readonly #nowMs: () => number;
  readonly #answers: BoundedCache<TimedAnswer>;
  readonly #inFlight = new Map<string, Promise<TimedAnswer>>();
  readonly #turnstile: Turnstile;

  constructor(options: ResolverOptions) {
    this.#query = options.query;
    this.#nowMs = options.nowMs;
    this.#answers = new BoundedCache(options.maxAnswers ?? MAX_ANSWERS);
    this.#turnstile = new Turnstile(options.maxInFlight ?? MAX_IN_FLIGHT, options.maxWaiting ?? MAX_WAITING);
  }

  /**
   * @param freshForMs an answer in memory counts only if it stays fresh for so long: who refreshes ahead of the end asks
   *   for more than is left
   */
  async lookup(name: string, type: RecordType, freshForMs = 0): Promise<TimedAnswer> {
    const key = `${type} ${name}`;
    const known = this.#answers.get(key);
    if (known !== undefined && known.expiresAtMs > this.#nowMs() + freshForMs) return known;
    const running = this.#inFlight.get(key);
    if (running !== undefined) return running;
    const started = this.#refresh(key, { name, type }, known);
    this.#inFlight.set(key, started);
    return started;
  }

  async #refresh(key: string, question: DnsQuestion, known: TimedAnswer | undefined): Promise<TimedAnswer> {
    try {
      const answer = await this.#turnstile.pass(() => this.#follow(question));
      const timed = this.#timed(answer ?? CROWDED, known);
      this.#answers.set(key, timed);
      return timed;
    } finally {
      this.#inFlight.delete(key);
    }
  }

  /** Follows CNAMEs from message to message. */
  async #follow(question: DnsQuestion): Promise<DnsAnswer> {
    let { name } = question;
    let aliasTtlSeconds = Number.POSITIVE_INFINITY;
    for (let hop = 0; hop <= MAX_ALIASES; hop++) {
      const reply = await this.#query({ name, type: question.type });
      if (reply.kind !== 'alias') {
        if (reply.kind === 'failure' || hop === 0) return reply;
        if (reply.ttlSeconds === undefined) return reply;
        return { ...reply, ttlSeconds: Math.min(aliasTtlSeconds, reply.ttlSeconds) };
      }
      name = reply.target;
      aliasTtlSeconds = Math.min(aliasTtlSeconds, reply.ttlSeconds);
    }
    return { kind: 'failure', reason: 'a CNAME loop' };
  }

  #timed(answer: DnsAnswer, known: TimedAnswer | undefined): TimedAnswer {
    const nowMs = this.#nowMs();
    const stale = known !== undefined && known.staleUntilMs > nowMs ? known : undefined;
    const recheckAtMs = Math.max(stale?.expiresAtMs ?? 0, nowMs + STALE_RECHECK_MS);
    if (answer.kind === 'failure') {
      return stale === undefined
        ? { answer, expiresAtMs: nowMs + FAILURE_TTL_MS, doubtful: true, staleUntilMs: 0 }
        : { ...stale, expiresAtMs: recheckAtMs, doubtful: stale.doubtful || stale.expiresAtMs <= nowMs };
    }
    const expiresAtMs = nowMs + lifeMs(answer);
    // That a name does not exist bounces mail: too much for an answer that is no longer true by its own word.
    const staleUntilMs = answer.kind === 'no-name' ? 0 : expiresAtMs + MAX_STALE_MS;
    if (answer.kind === 'records' || answer.ttlSeconds !== undefined) {
      return { answer, expiresAtMs, doubtful: false, staleUntilMs };
    }
    const unprovenSinceMs = known?.unprovenSinceMs ?? nowMs;
    const doubtful = nowMs - unprovenSinceMs < DOUBT_MS;
    if (doubtful && stale?.answer.kind === 'records') {
      return { ...stale, expiresAtMs: recheckAtMs, doubtful, unprovenSinceMs };
    }
    return { answer, expiresAtMs, doubtful, staleUntilMs, unprovenSinceMs };
  }
}

function lifeMs(answer: FoundRecords | FoundNothing): number {
  const ttlMs = (answer.ttlSeconds ?? 0) * 1000;
  return answer.kind === 'records'
    ? Math.min(MAX_TTL_MS, Math.max(MIN_TTL_MS, ttlMs))
    : Math.min(MAX_NEGATIVE_TTL_MS, Math.max(MIN_NEGATIVE_TTL_MS, ttlMs));
}
