import type { EffectivePolicy, EffectiveReaction, Facts, LimitField } from '@sluice/crds';
import { type HitCounting, SETTLE_MS } from '../shape/mod.ts';
import { actionDirective, type Occasion } from './action-directive.ts';
import type { Directive } from './directive.ts';
import type { DirectiveSet } from './directive-set.ts';
import { ExpressionStore } from './expression.ts';
import { compileReactions, type JudgedReply, type ReactionMatcher } from './reaction-matcher.ts';
import { selectorOf, selectorText } from './selector.ts';

/** What a reaction makes of a reply that it hit. */
export interface Judgement {
  readonly reaction: string;
  /** Its trigger is complete, or it has none. */
  readonly wentOff: boolean;
  /** The message is returned at once. */
  readonly bounce: boolean;
  /** The next attempt comes after this time instead of the policy's; the longest where several actions ask. */
  readonly retryAfterMs?: number;
  /** To be put in force. */
  readonly directives: readonly Directive[];
}

/** A reaction that a reply hit. */
export interface JudgedHit {
  /** Something of it is about the message whose reply it was: whoever settles that message waits for the judgement. */
  readonly speaksOfMessage: boolean;
  /** At once, or when hits of all pods are counted. Never rejected. */
  readonly judgement: Judgement | Promise<Judgement>;
}

/** A reply, and what is known of where it came. */
export interface ReplyOccasion {
  readonly reply: JudgedReply;
  readonly facts: Facts;
  readonly policy: EffectivePolicy;
  /** When the attempt began that was answered, wall time. */
  readonly beganAtMs: number;
  /** The directives in force when it is asked for. */
  readonly current: () => DirectiveSet;
  /** Wall time, never less than before. */
  readonly nowMs: () => number;
}

/** Fields of a destination: what names one of them is counted by the shard of its limits. */
const DESTINATION_FIELDS: ReadonlySet<LimitField> = new Set(['Site', 'Group', 'Domain', 'MxHost']);

const NONE: readonly JudgedHit[] = [];

/**
 * Judges replies by the reactions of the policy in force. Pure but for the counting that it is given and the expressions that it keeps
 * compiled.
 *
 * Example: `for (const { judgement } of reactor.judge(occasion)) put((await judgement).directives)`
 */
export class Reactor {
  readonly #counting: HitCounting;
  readonly #expressions = new ExpressionStore();
  /** By the policy's list of reactions, which is the same object for all destinations of one classification. */
  readonly #matchers = new WeakMap<readonly EffectiveReaction[], ReactionMatcher>();

  constructor(counting: HitCounting) {
    this.#counting = counting;
  }

  /** One for each reaction that the reply hits, in the order of the policy. */
  judge(occasion: ReplyOccasion): readonly JudgedHit[] {
    const { policy, reply } = occasion;
    if (policy.reactions.length === 0) return NONE;
    const hits = this.#matcher(policy.reactions).match(reply);
    if (hits.length === 0) return NONE;
    return hits.map((reaction) => {
      const wentOff = this.#goesOff(reaction, occasion);
      return {
        speaksOfMessage: reaction.actions.some(({ type }) => type === 'RetryAfter' || type === 'Bounce'),
        judgement:
          typeof wentOff === 'boolean'
            ? judgementOf(reaction, wentOff, occasion)
            : wentOff.then((answer) => judgementOf(reaction, answer, occasion)),
      };
    });
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

  #goesOff(reaction: EffectiveReaction, occasion: ReplyOccasion): boolean | Promise<boolean> {
    const { name, trigger } = reaction;
    const { facts, nowMs } = occasion;
    if (isOfBefore(reaction, occasion)) return false;
    if (trigger === undefined) return true;
    const { count, withinMs, per } = trigger;
    const key = `${name} ${selectorText(selectorOf(per, facts))}`;
    const shard = per.some((field) => DESTINATION_FIELDS.has(field)) ? facts.group || facts.site : '';
    return this.#counting.hit({ key, shard, count, withinMs }, nowMs());
  }
}

/**
 * What the reaction asks for is in force already, and the attempt began before that was obeyed: its reply speaks of the time before. So many
 * connections that are refused at once cut a limit once, whichever pod and whichever leader counts.
 */
function isOfBefore(reaction: EffectiveReaction, occasion: ReplyOccasion): boolean {
  const { beganAtMs, current } = occasion;
  const set = current();
  if (set.directives.length === 0) return false;
  return directivesOf(reaction, occasion).some(({ id }) => {
    const known = set.get(id);
    return known?.reaction === reaction.name && beganAtMs < known.createdAtMs + SETTLE_MS;
  });
}

function judgementOf(reaction: EffectiveReaction, wentOff: boolean, occasion: ReplyOccasion): Judgement {
  const { name, actions } = reaction;
  if (!wentOff) return { reaction: name, wentOff, bounce: false, directives: [] };
  const delays = actions.flatMap((action) =>
    action.type === 'RetryAfter' ? [action.retryAfter.delayMs] : [],
  );
  return {
    reaction: name,
    wentOff,
    bounce: actions.some(({ type }) => type === 'Bounce'),
    ...(delays.length === 0 ? {} : { retryAfterMs: Math.max(...delays) }),
    directives: directivesOf(reaction, occasion),
  };
}

function directivesOf(
  reaction: EffectiveReaction,
  { reply, facts, policy, current, nowMs }: ReplyOccasion,
): readonly Directive[] {
  const occasion: Occasion = { reaction, reply, facts, policy, current: current(), nowMs: nowMs() };
  return reaction.actions.flatMap((action) => actionDirective(action, occasion) ?? []);
}
