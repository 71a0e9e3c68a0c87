import type { EffectiveReaction } from '@sluice/crds';
import { type Expression, ExpressionStore } from './expression.ts';
import { type ExpressionSet, MIN_SET_SIZE } from './expression-set.ts';
import { foldCase } from './required-literals.ts';

/** A reply of a receiver, as the delivery recorded it. */
export interface JudgedReply {
  readonly code: number;
  /** Enhanced status code, `''` = the reply has none. */
  readonly enhanced: string;
  /** Its lines joined, without codes. */
  readonly text: string;
  /** In which phase of the session it came. */
  readonly phase: string;
}

/** A reaction that cannot be carried out as it is written; the others are in force all the same. */
export interface ReactionProblem {
  readonly reaction: string;
  readonly expression: string;
  /** Place in the expression, in characters from 1. */
  readonly column: number;
  readonly reason: string;
}

export interface CompiledReactions {
  readonly matcher: ReactionMatcher;
  readonly problems: readonly ReactionProblem[];
}

interface Candidate {
  readonly reaction: EffectiveReaction;
  readonly codes: ReadonlySet<number> | undefined;
  readonly enhanced: ReadonlySet<string> | undefined;
  readonly phases: ReadonlySet<string> | undefined;
  readonly expression: Expression | undefined;
  /** Its place in the set of expressions without a literal; `undefined` = it has one, or has no text. */
  readonly setIndex: number | undefined;
}

/**
 * Prepares the reactions of a policy for {@link ReactionMatcher.match}. Never throws on what a user wrote: an expression that RE2
 * does not take is a problem with its place, and that reaction never hits.
 *
 * Example: `compileReactions(effectivePolicy(config, 'shared-a', 'gmail.com', hosts).reactions).matcher`
 *
 * @param expressions compiled ones to share with the matchers of other policies
 */
export function compileReactions(
  reactions: readonly EffectiveReaction[],
  expressions: ExpressionStore = new ExpressionStore(),
): CompiledReactions {
  const problems: ReactionProblem[] = [];
  const candidates: Candidate[] = [];
  const unsearchable: string[] = [];
  for (const reaction of reactions) {
    const { codes, enhancedCodes, phases, text } = reaction.match;
    const expression = text === undefined ? undefined : expressions.compile(text);
    if (expression !== undefined && 'reason' in expression) {
      const { column, reason } = expression;
      problems.push({ reaction: reaction.name, expression: text ?? '', column, reason });
      continue;
    }
    candidates.push({
      reaction,
      codes: codes && new Set(codes),
      enhanced: enhancedCodes && new Set(enhancedCodes),
      phases: phases && new Set(phases),
      expression,
      setIndex: expression?.literals.length === 0 ? unsearchable.push(text ?? '') - 1 : undefined,
    });
  }
  const set = unsearchable.length < MIN_SET_SIZE ? undefined : expressions.setOf(unsearchable);
  return { matcher: new ReactionMatcher(candidates, set), problems };
}

/** Answers which reactions a reply hits. Pure but for an index by reply code, which is built as codes come. */
export class ReactionMatcher {
  readonly #candidates: readonly Candidate[];
  /** RFC 5321 §4.2 has three digits, and the delivery lets no other code through, so it stays small. */
  readonly #byCode = new Map<number, readonly Candidate[]>();
  readonly #set: ExpressionSet | undefined;

  /** Use {@link compileReactions}. */
  constructor(candidates: readonly Candidate[], set: ExpressionSet | undefined) {
    this.#candidates = candidates;
    this.#set = set;
  }

  /**
   * All reactions that the reply hits, in the order in which they were given. A reply without enhanced code hits none that asks for
   * one. A positive reply (2xx, 3xx) hits nothing: a policy cannot name its code, and a text alone must not slow down good mail.
   *
   * Example: `matcher.match({ code: 421, enhanced: '4.7.28', text: 'Unusual rate of mail', phase: 'FinalDot' })` → `[unusualRate]`
   */
  match(reply: JudgedReply): readonly EffectiveReaction[] {
    if (reply.code < 400) return NONE;
    let hits: EffectiveReaction[] | undefined;
    let folded: string | undefined;
    let inSet: ReadonlySet<number> | undefined;
    for (const { reaction, enhanced, phases, expression, setIndex } of this.#candidatesFor(reply.code)) {
      if (enhanced !== undefined && !enhanced.has(reply.enhanced)) continue;
      if (phases !== undefined && !phases.has(reply.phase)) continue;
      if (setIndex !== undefined && this.#set !== undefined) {
        inSet ??= this.#set.candidates(reply.text);
        if (!inSet.has(setIndex)) continue;
      }
      if (expression !== undefined) {
        folded ??= foldCase(reply.text);
        if (!mayMatch(expression, folded) || !expression.re2.test(reply.text)) continue;
      }
      hits ??= [];
      hits.push(reaction);
    }
    return hits ?? NONE;
  }

  #candidatesFor(code: number): readonly Candidate[] {
    let candidates = this.#byCode.get(code);
    if (candidates === undefined) {
      candidates = this.#candidates.filter(({ codes }) => codes === undefined || codes.has(code));
      this.#byCode.set(code, candidates);
    }
    return candidates;
  }
}

function mayMatch({ literals }: Expression, folded: string): boolean {
  for (const literal of literals) if (folded.includes(literal)) return true;
  return literals.length === 0;
}

const NONE: readonly never[] = [];
