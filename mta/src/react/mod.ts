/** Replies of receivers: which reactions they hit, and when hits are enough. */
export { ExpressionStore } from './expression.ts';
export { HitCounter, type HitCounterOptions, MAX_COUNTED_KEYS } from './hit-counter.ts';
export {
  type CompiledReactions,
  compileReactions,
  type JudgedReply,
  ReactionMatcher,
  type ReactionProblem,
} from './reaction-matcher.ts';
