/** Replies of receivers: which reactions they hit, when hits are enough, and the directives in force that come of it or are given by hand. */
export {
  type Directive,
  type DirectiveEffect,
  type DirectiveType,
  directiveEffectSchema,
  directiveId,
  directiveSchema,
  MAX_DIRECTIVES,
  MAX_REASON_LENGTH,
} from './directive.ts';
export { DirectiveSet } from './directive-set.ts';
export type { DirectiveStore } from './directive-store.ts';
export { ExpressionStore } from './expression.ts';
export { type FileDirectiveStoreOptions, openFileDirectiveStore } from './file-directive-store.ts';
export { openSharedDirectives, type SharedDirectivesOptions } from './open-shared-directives.ts';
export {
  type CompiledReactions,
  compileReactions,
  type JudgedReply,
  ReactionMatcher,
  type ReactionProblem,
} from './reaction-matcher.ts';
export { type JudgedHit, type Judgement, Reactor, type ReplyOccasion } from './reactor.ts';
export {
  type Selector,
  type SelectorFacts,
  type SelectorField,
  selectorFields,
  selectorSchema,
  selectorText,
  selects,
} from './selector.ts';
