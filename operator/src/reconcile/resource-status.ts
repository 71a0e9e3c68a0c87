import { z } from 'zod';
import {
  type KubeObject,
  nextConditions,
  transitions,
  type WantedCondition,
  type WrittenCondition,
  writtenCondition,
} from '../kube/mod.ts';

/** Status of an EgressPool or a ShapingPolicy, as the operator writes it. */
export interface WrittenStatus {
  readonly observedGeneration: number;
  readonly conditions: readonly WrittenCondition[];
}

const statusObject = z.object({
  status: z
    .object({ observedGeneration: z.number().optional(), conditions: z.array(writtenCondition).optional() })
    .optional(),
});

export interface StatusChange {
  readonly status: WrittenStatus;
  /** Conditions that have another status now; for Events. */
  readonly transitions: readonly WrittenCondition[];
}

/**
 * What to write so that a resource says what was found for it; `undefined` = it says so already. Nothing is written without a change: an own write wakes the operator too.
 *
 * @param generation of the resource that the conditions were found for
 * @param time RFC 3339
 */
export function statusChange(
  object: KubeObject,
  wanted: readonly WantedCondition[],
  generation: number,
  time: string,
): StatusChange | undefined {
  const parsed = statusObject.safeParse(object);
  const before = (parsed.success ? parsed.data.status : undefined) ?? {};
  const conditions = nextConditions(before.conditions ?? [], wanted, generation, time);
  const same =
    before.observedGeneration === generation &&
    before.conditions?.length === conditions.length &&
    conditions.every((condition) => before.conditions?.some((old) => isSame(old, condition)));
  if (same) return undefined;
  return {
    status: { observedGeneration: generation, conditions },
    transitions: transitions(before.conditions ?? [], conditions),
  };
}

function isSame(a: WrittenCondition, b: WrittenCondition): boolean {
  return (
    a.type === b.type &&
    a.status === b.status &&
    a.reason === b.reason &&
    a.message === b.message &&
    a.observedGeneration === b.observedGeneration &&
    a.lastTransitionTime === b.lastTransitionTime
  );
}
