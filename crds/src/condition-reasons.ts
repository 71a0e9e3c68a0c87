import type { Condition, ConditionReason } from './condition.ts';

/** What a condition tells, and where a running or checking MTA tells it without an API server. */
export interface ConditionMeaning {
  readonly what: string;
  /** Error or warning of `sluice validate` and of a running MTA that says the same. */
  readonly told: string;
}

export interface ReasonMeaning {
  /** The only condition that has it, and the status that it then has. */
  readonly type: Condition['type'];
  readonly status: Condition['status'];
  readonly meaning: string;
  /** What to do; empty = nothing. */
  readonly cure: string;
}

export const CONDITION_TYPES = {
  Accepted: {
    what: 'Whether the resource is in force as it stands. Always there. `False`: its last good form is in force instead, or nothing if there was none.',
    told: 'SLUICE_RESOURCE_REFUSED, SLUICE_RESOURCE_PARTIAL, or the mistakes themselves with their lines',
  },
  ResolvedRefs: {
    what: 'Whether all that it refers to is there. `False`: the rest of it is in force all the same. There if anything of the resource is in force.',
    told: 'SLUICE_REFERENCE_UNRESOLVED',
  },
  Conflicted: {
    what: 'Another resource claims or bounds the same; the message names the rival and who wins. Only there when it is so.',
    told: 'SLUICE_RESOURCE_CONFLICT',
  },
} as const satisfies Record<Condition['type'], ConditionMeaning>;

export const CONDITION_REASONS: Readonly<Record<ConditionReason, ReasonMeaning>> = {
  Accepted: { type: 'Accepted', status: 'True', meaning: 'It is in force as it stands.', cure: '' },
  PartiallySupported: {
    type: 'Accepted',
    status: 'True',
    meaning:
      'It is in force but for the fields and the sources that the message names: this version does not carry them out yet.',
    cure: 'Leave these fields out, or count on the rest only; a later version carries them out.',
  },
  Invalid: {
    type: 'Accepted',
    status: 'False',
    meaning:
      'A field is wrong, or fields contradict one another. The message tells the first three mistakes.',
    cure: 'Correct them. `sluice validate` tells all of them, with lines.',
  },
  Duplicate: {
    type: 'Accepted',
    status: 'False',
    meaning:
      'Several files or documents hold a resource of this kind and name; the message lists the places.',
    cure: 'Keep one, or give the others names of their own.',
  },
  Missing: {
    type: 'Accepted',
    status: 'False',
    meaning:
      'It is gone, but a document of the set cannot be read and may be it. So nothing is taken out of force.',
    cure: 'Correct the document that cannot be read. If the resource is gone on purpose, it goes out of force then.',
  },
  ResolvedRefs: {
    type: 'ResolvedRefs',
    status: 'True',
    meaning: 'All that it refers to is there.',
    cure: '',
  },
  TargetNotFound: {
    type: 'ResolvedRefs',
    status: 'False',
    meaning:
      'There is no pool of the name that `targetRefs`, `fallbackPoolRef` or the `poolRef` of a `Reroute` gives.',
    cure: 'Correct the name, or add the pool: the reference takes effect as soon as it is there.',
  },
  DestinationNotFound: {
    type: 'ResolvedRefs',
    status: 'False',
    meaning:
      'A destination has no `match`, so it refines one of the same name, and no other policy for the same pools has it.',
    cure: 'Correct the name of the destination, or give it a `match`.',
  },
  LimitNotFound: {
    type: 'ResolvedRefs',
    status: 'False',
    meaning:
      'A limit without `per` refines one that no layer defines, its `when` asks for what the `per` that it refines does not name, or a reaction acts on a limit that no layer defines.',
    cure: 'Correct the name of the limit, or give it a `per`.',
  },
  ReactionNotFound: {
    type: 'ResolvedRefs',
    status: 'False',
    meaning: 'A reaction without `match` or without `actions` refines one that no layer defines.',
    cure: 'Correct the name of the reaction, or write out its `match` and its `actions`.',
  },
  EqualClaims: {
    type: 'Conflicted',
    status: 'True',
    meaning:
      'Two destinations of different names claim the same domain or suffix. The one of the policy with the higher priority applies, then the first name.',
    cure: 'Take the claim out of one of them, or give both the same name: then they are one destination.',
  },
  BoundsDiffer: {
    type: 'Conflicted',
    status: 'True',
    meaning:
      'Two pools keep the same counter, because they list the same address or the limit counts for no pool alone, and policies bind it differently for them. The smaller bound applies to both.',
    cure: 'Let one policy bind both pools alike, add `Pool` to `per`, or give the limit of one of them a name of its own.',
  },
};
