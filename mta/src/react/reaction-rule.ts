/** Replies that hit: every member present must fit, inside a list any. */
export interface ReactionMatchRule {
  /** Basic reply codes, 400–599. */
  readonly codes?: readonly number[];
  /** Enhanced status codes (RFC 3463), each exactly this: `4.7.28`. */
  readonly enhancedCodes?: readonly string[];
  /** RE2 expression that the text contains; ignores case. */
  readonly text?: string;
  /** Phases of the session, in the words of the delivery: `Mail`, `FinalDot`, … */
  readonly phases?: readonly string[];
}

/** So many hits of one counter within a time. */
export interface ReactionTriggerRule {
  /** From 1. */
  readonly count: number;
  readonly withinMs: number;
  readonly per: readonly string[];
}

/**
 * What this room needs to know of a reaction of the policy in force (`EffectivePolicy.reactions`). What the actions do is not
 * its business: it hands the reaction back as it got it.
 */
export interface ReactionRule {
  readonly name: string;
  readonly match: ReactionMatchRule;
  /** Absent = every hit has its consequence at once. */
  readonly trigger?: ReactionTriggerRule;
  readonly actions: readonly unknown[];
}
