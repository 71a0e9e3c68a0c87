import type { EffectivePolicy, EffectiveReaction, Facts } from '@sluice/crds';
import { actionDirective } from './action-directive.ts';
import type { Directive } from './directive.ts';
import type { DirectiveSet } from './directive-set.ts';
import { ExpressionStore } from './expression.ts';
import type { HitCounter } from './hit-counter.ts';
import { compileReactions, type JudgedReply, type ReactionMatcher } from './reaction-matcher.ts';
import { selectorOf, selectorText } from './selector.ts';

/** What a reply comes to. */
export interface Judgement {
  /** Reactions that it hit, whether they went off or not. */
  readonly hits: readonly string[];
  /** Those that went off. */
  readonly wentOff: readonly string[];
  /** The message is returned at once. */
  readonly bounce: boolean;
  /** The next attempt comes after this time instead of the policy's; the longest where several ask. */
  readonly retryAfterMs?: number;
  /** To be put in force. */
  readonly directives: readonly Directive[];
}

const NOTHING: Judgement = { hits: [], wentOff: [], bounce: false, directives: [] };

/**
 * Judges replies by the reactions of the policy in force. Pure but for the counter of hits that it is given and the expressions that it
 * keeps compiled.
 *
 * Example: `reactor.judge({ code: 421, enhanced: '4.7.28', text, phase: 'FinalDot' }, facts, policy, directives, nowMs).directives`
 */
export class Reactor {
  readonly #counter: HitCounter;
  readonly #expressions = new ExpressionStore();
  /** By the policy's list of reactions, which is the same object for all destinations of one classification. */
  readonly #matchers = new WeakMap<readonly EffectiveReaction[], ReactionMatcher>();

  constructor(counter: HitCounter) {
    this.#counter = counter;
  }

  /** @param nowMs wall time, never less than before */
  judge(
    reply: JudgedReply,
    facts: Facts,
    policy: EffectivePolicy,
    current: DirectiveSet,
    nowMs: number,
  ): Judgement {
    if (policy.reactions.length === 0) return NOTHING;
    const hits = this.#matcher(policy.reactions).match(reply);
    if (hits.length === 0) return NOTHING;
    const wentOff = hits.filter((reaction) => this.#goesOff(reaction, facts, nowMs));
    const actions = wentOff.flatMap((reaction) => reaction.actions.map((action) => ({ reaction, action })));
    const delays = actions.flatMap(({ action }) =>
      action.type === 'RetryAfter' ? [action.retryAfter.delayMs] : [],
    );
    return {
      hits: hits.map(({ name }) => name),
      wentOff: wentOff.map(({ name }) => name),
      bounce: actions.some(({ action }) => action.type === 'Bounce'),
      ...(delays.length === 0 ? {} : { retryAfterMs: Math.max(...delays) }),
      directives: actions.flatMap(({ reaction, action }) => {
        const made = actionDirective(action, { reaction, reply, facts, policy, current, nowMs });
        return made === undefined ? [] : [made];
      }),
    };
  }

  #matcher(reactions: readonly EffectiveReaction[]): ReactionMatcher {
    let matcher = this.#matchers.get(reactions);
    if (matcher === undefined) {
      // Expressions that cannot be compiled are told when the resources are read; here they hit nothing.
      matcher = compileReactions(reactions, this.#expressions).matcher;
      this.#matchers.set(reactions, matcher);
    }
    return matcher;
  }

  #goesOff({ name, trigger }: EffectiveReaction, facts: Facts, nowMs: number): boolean {
    if (trigger === undefined) return true;
    const counted = selectorText(selectorOf(trigger.per, facts));
    return this.#counter.hit(`${name} ${counted}`, trigger, nowMs);
  }
}
