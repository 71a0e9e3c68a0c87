import type { EffectivePolicy, Facts } from '@sluice/crds';
import type { SessionFailure, TransactionResult } from '../deliver/mod.ts';
import { type DirectiveStore, type Judgement, Reactor } from '../react/mod.ts';
import type { HitCounting } from '../shape/mod.ts';
import type { Envelope, Reply } from '../spool/mod.ts';
import type { DispatchReport } from './attempt-report.ts';
import type { Clock } from './clock.ts';

/** A message waits so long for hits of all pods to be counted, when what follows is about that message; then it is settled without. */
export const COUNT_PATIENCE_MS = 500;

/** What reactions make of an attempt. */
export interface Consequence {
  /** The message is returned although the reply was transient. */
  readonly bounce: boolean;
  /** Time to the next attempt; absent = the policy's. */
  readonly retryAfterMs?: number;
}

/** The result of a transaction as it is to be settled. */
export interface JudgedTransaction {
  readonly result: TransactionResult;
  readonly retryAfterMs?: number;
}

export interface ReactionDeskOptions {
  readonly directives: DirectiveStore;
  readonly hits: HitCounting;
  readonly clock: Clock;
  readonly report: Pick<DispatchReport, 'reacted' | 'fault'>;
}

/** Where a reply came. */
interface Circumstances {
  readonly facts: Facts;
  readonly policy: EffectivePolicy;
  readonly envelope: Envelope | undefined;
  readonly beganAtMs: number;
}

const NONE: Consequence = { bounce: false };

/** Shows the replies of receivers to the reactions of the policy, puts in force what comes of it, and tells. */
export class ReactionDesk {
  readonly #reactor: Reactor;
  readonly #directives: DirectiveStore;
  readonly #clock: Clock;
  readonly #report: ReactionDeskOptions['report'];

  constructor({ directives, hits, clock, report }: ReactionDeskOptions) {
    this.#reactor = new Reactor(hits);
    this.#directives = directives;
    this.#clock = clock;
    this.#report = report;
  }

  /** A connection was refused before a message was offered. Only the peer's own words count. */
  ofConnection(
    failure: SessionFailure,
    facts: Facts,
    policy: EffectivePolicy,
  ): Consequence | Promise<Consequence> {
    const beganAtMs = this.#clock.nowMs();
    return this.#judge(failure.reply, failure.phase, { facts, policy, envelope: undefined, beganAtMs });
  }

  /**
   * A transaction ended. Each reply counts once, however many recipients it speaks of. Returns the result as it is to be settled: recipients whose
   * reply a reaction bounces are permanent failures.
   */
  ofTransaction(
    result: TransactionResult,
    facts: Facts,
    policy: EffectivePolicy,
    envelope: Envelope,
  ): JudgedTransaction | Promise<JudgedTransaction> {
    if (policy.reactions.length === 0) return { result };
    const circumstances = { facts, policy, envelope, beganAtMs: this.#clock.nowMs() - result.durationMs };
    const consequences = new Map<string, Consequence>();
    const awaited: Promise<void>[] = [];
    for (const { status, phase, reply } of result.recipients) {
      const key = replyKey(reply, phase);
      if (status === 'delivered' || consequences.has(key)) continue;
      const consequence = this.#judge(reply, phase, circumstances);
      consequences.set(key, consequence instanceof Promise ? NONE : consequence);
      if (consequence instanceof Promise)
        awaited.push(consequence.then((later) => void consequences.set(key, later)));
    }
    if (awaited.length === 0) return judged(result, consequences);
    return Promise.all(awaited).then(() => judged(result, consequences));
  }

  #judge(reply: Reply, phase: string, circumstances: Circumstances): Consequence | Promise<Consequence> {
    const { facts, policy, envelope, beganAtMs } = circumstances;
    // Replies that Sluice made itself have no host.
    if (reply.host === '' || policy.reactions.length === 0) return NONE;
    const hits = this.#reactor.judge({
      reply: { ...reply, phase },
      facts,
      policy,
      beganAtMs,
      current: () => this.#directives.set,
      nowMs: () => this.#clock.nowMs(),
    });
    if (hits.length === 0) return NONE;
    const carryOut = (judgement: Judgement): Judgement => {
      const nowMs = this.#clock.nowMs();
      if (judgement.directives.length > 0) this.#directives.react(judgement.directives);
      this.#report.reacted({ ...judgement, reply, phase, facts, envelope, nowMs });
      return judgement;
    };
    let consequence = NONE;
    const awaited: Promise<Judgement>[] = [];
    for (const { judgement, speaksOfMessage } of hits) {
      if (!(judgement instanceof Promise)) {
        consequence = both(consequence, carryOut(judgement));
        continue;
      }
      const later = judgement.then(carryOut);
      if (speaksOfMessage) awaited.push(later);
      else later.catch((error) => this.#report.fault(error));
    }
    return awaited.length === 0 ? consequence : this.#withLater(consequence, awaited);
  }

  /** The consequence with those that are counted soon. */
  async #withLater(consequence: Consequence, awaited: readonly Promise<Judgement>[]): Promise<Consequence> {
    let known = consequence;
    const all = Promise.all(
      awaited.map((later) =>
        later.then(
          (judgement) => {
            known = both(known, judgement);
          },
          (error) => this.#report.fault(error),
        ),
      ),
    );
    const { promise: patience, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, COUNT_PATIENCE_MS);
    await Promise.race([all, patience]);
    clearTimeout(timer);
    return known;
  }
}

function judged(
  result: TransactionResult,
  consequences: ReadonlyMap<string, Consequence>,
): JudgedTransaction {
  let all = NONE;
  for (const consequence of consequences.values()) all = both(all, consequence);
  const { bounce, retryAfterMs } = all;
  const recipients = bounce
    ? result.recipients.map((each) =>
        each.status === 'transient' && consequences.get(replyKey(each.reply, each.phase))?.bounce === true
          ? { ...each, status: 'permanent' as const }
          : each,
      )
    : result.recipients;
  return { result: { ...result, recipients }, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** The longest time that is asked for, and returned if one asks for that. */
function both(one: Consequence, other: Consequence): Consequence {
  const retryAfterMs =
    one.retryAfterMs === undefined && other.retryAfterMs === undefined
      ? undefined
      : Math.max(one.retryAfterMs ?? 0, other.retryAfterMs ?? 0);
  return {
    bounce: one.bounce || other.bounce,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
}

function replyKey({ code, enhanced, text }: Reply, phase: string): string {
  return `${phase} ${code} ${enhanced} ${text}`;
}
