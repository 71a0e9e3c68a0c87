import type { EffectivePolicy, Facts } from '@sluice/crds';
import type { SessionFailure, TransactionResult } from '../deliver/mod.ts';
import { type DirectiveStore, HitCounter, type Judgement, Reactor } from '../react/mod.ts';
import type { Envelope, Reply } from '../spool/mod.ts';
import type { DispatchReport } from './attempt-report.ts';
import type { Clock } from './clock.ts';

/** What reactions make of an attempt. */
export interface Consequence {
  /** The message is returned although the reply was transient. */
  readonly bounce: boolean;
  /** Time to the next attempt; absent = the policy's. */
  readonly retryAfterMs?: number;
}

const NONE: Consequence = { bounce: false };

/** Shows the replies of receivers to the reactions of the policy, puts in force what comes of it, and tells. */
export class ReactionDesk {
  readonly #reactor = new Reactor(new HitCounter());
  readonly #directives: DirectiveStore;
  readonly #clock: Clock;
  readonly #report: DispatchReport;

  constructor(directives: DirectiveStore, clock: Clock, report: DispatchReport) {
    this.#directives = directives;
    this.#clock = clock;
    this.#report = report;
  }

  /** A connection was refused before a message was offered. Only the peer's own words count. */
  ofConnection(failure: SessionFailure, facts: Facts, policy: EffectivePolicy): Consequence {
    return this.#judge(failure.reply, failure.phase, facts, policy, undefined);
  }

  /**
   * A transaction ended. Each reply counts once, however many recipients it speaks of. Resolves the result as it is to be settled: recipients whose
   * reply a reaction bounces are permanent failures.
   */
  ofTransaction(
    result: TransactionResult,
    facts: Facts,
    policy: EffectivePolicy,
    envelope: Envelope,
  ): { readonly result: TransactionResult; readonly retryAfterMs?: number } {
    if (policy.reactions.length === 0) return { result };
    const byReply = new Map<string, Consequence>();
    let retryAfterMs: number | undefined;
    let bounces = false;
    for (const { status, phase, reply } of result.recipients) {
      const key = replyKey(reply, phase);
      if (status === 'delivered' || byReply.has(key)) continue;
      const consequence = this.#judge(reply, phase, facts, policy, envelope);
      byReply.set(key, consequence);
      bounces ||= consequence.bounce;
      if (consequence.retryAfterMs !== undefined)
        retryAfterMs = Math.max(retryAfterMs ?? 0, consequence.retryAfterMs);
    }
    const judged = bounces
      ? {
          ...result,
          recipients: result.recipients.map((each) =>
            byReply.get(replyKey(each.reply, each.phase))?.bounce === true && each.status === 'transient'
              ? { ...each, status: 'permanent' as const }
              : each,
          ),
        }
      : result;
    return { result: judged, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }

  #judge(
    reply: Reply,
    phase: string,
    facts: Facts,
    policy: EffectivePolicy,
    envelope: Envelope | undefined,
  ): Consequence {
    // Replies that Sluice made itself have no host.
    if (reply.host === '' || policy.reactions.length === 0) return NONE;
    const nowMs = this.#clock.nowMs();
    const judgement = this.#reactor.judge({ ...reply, phase }, facts, policy, this.#directives.set, nowMs);
    if (judgement.hits.length === 0) return NONE;
    this.#put(judgement);
    this.#report.reacted({ ...judgement, reply, phase, facts, envelope, nowMs });
    const { bounce, retryAfterMs } = judgement;
    return { bounce, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }

  #put({ directives }: Judgement): void {
    if (directives.length === 0) return;
    this.#directives.react(directives);
  }
}

function replyKey({ code, enhanced, text }: Reply, phase: string): string {
  return `${phase} ${code} ${enhanced} ${text}`;
}
