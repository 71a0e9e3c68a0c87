import type { Place } from './errors.ts';
import type { ResourceKind } from './resource.ts';

/**
 * A condition as Kubernetes has them, without what only the API server knows (generation, time of transition).
 *
 * - `Accepted`: the resource as it stands is in force; with reason `PartiallySupported` but for what the message names. `False`: its last good form is, or nothing.
 * - `ResolvedRefs`: what it refers to is there. `False`: the rest of it is in force all the same.
 * - `Conflicted`: only there when another resource claims or bounds the same; the message names the rival and who wins.
 */
export interface Condition {
  readonly type: 'Accepted' | 'ResolvedRefs' | 'Conflicted';
  readonly status: 'True' | 'False';
  readonly reason: ConditionReason;
  readonly message: string;
}

export type ConditionReason =
  | 'Accepted'
  | 'PartiallySupported'
  | 'Invalid'
  | 'Duplicate'
  | 'Missing'
  | 'ResolvedRefs'
  | 'TargetNotFound'
  | 'DestinationNotFound'
  | 'LimitNotFound'
  | 'ReactionNotFound'
  | 'EqualClaims'
  | 'BoundsDiffer';

export interface ResourceStatus {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly place: Place;
  /** SHA-256 (hex) of kind, name and spec of the form in force, defaults filled in; absent = nothing of it is in force. */
  readonly formHash?: string;
  /** `Accepted`, then `ResolvedRefs` if anything of it is in force, then `Conflicted` if it is. */
  readonly conditions: readonly Condition[];
}

/** Sentences of one message; what is beyond it is counted. */
const MAX_SENTENCES = 8;

/** A fact for a condition's message. */
export interface Remark {
  readonly reason: ConditionReason;
  readonly sentence: string;
}

/** One condition from several remarks: the reason is the first one's, the message tells all of them once. */
export function conditionOf(
  type: Condition['type'],
  status: Condition['status'],
  remarks: readonly Remark[],
): Condition | undefined {
  const [first] = remarks;
  if (first === undefined) return undefined;
  const sentences = [...new Set(remarks.map((remark) => remark.sentence))];
  const rest = sentences.length - MAX_SENTENCES;
  const told = rest > 0 ? [...sentences.slice(0, MAX_SENTENCES), `And ${rest} more.`] : sentences;
  return { type, status, reason: first.reason, message: told.join(' ') };
}
