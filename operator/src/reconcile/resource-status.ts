import { canonicalJson } from '@sluice/crds';
import { z } from 'zod';
import {
  type KubeObject,
  nextConditions,
  transitions,
  type WantedCondition,
  type WrittenCondition,
  writtenCondition,
} from '../kube/mod.ts';
import type { EgressStatus } from './egress-findings.ts';

/** Pods that run the form in force, of those that live. */
export interface PodCounts {
  readonly programmed: number;
  readonly total: number;
}

/** What is wanted in a status. */
export interface WantedStatus extends EgressStatus {
  readonly conditions: readonly WantedCondition[];
  /** Absent = it is not known. */
  readonly pods?: PodCounts;
}

/** Status of an EgressPool or a ShapingPolicy, as the operator writes it. */
export interface WrittenStatus extends EgressStatus {
  readonly observedGeneration: number;
  readonly conditions: readonly WrittenCondition[];
  readonly pods?: PodCounts;
}

const statusObject = z.object({
  status: z
    .object({
      observedGeneration: z.number().optional(),
      conditions: z.array(writtenCondition).optional(),
      // Only compared with what is wanted.
      pods: z.unknown().optional(),
      sources: z.unknown().optional(),
      sourcesOmitted: z.unknown().optional(),
      suspensions: z.unknown().optional(),
      suspensionsOmitted: z.unknown().optional(),
    })
    .optional(),
});

type SaidStatus = NonNullable<z.infer<typeof statusObject>['status']>;

const DETAILS = ['pods', 'sources', 'sourcesOmitted', 'suspensions', 'suspensionsOmitted'] as const;

export interface StatusChange {
  readonly status: WrittenStatus;
  /** Conditions that have another status now; for Events. */
  readonly transitions: readonly Transition[];
  /** `Resource`: what a user did to it or to what it refers to. `Pods`: only what pods do, which may wait. */
  readonly cause: 'Resource' | 'Pods';
}

/** A condition that turned, and why it was what it was before; `undefined` = it was not there. */
export interface Transition {
  readonly condition: WrittenCondition;
  readonly before: WrittenCondition | undefined;
}

/** Conditions that pods decide, alone or together with others. */
const OF_PODS = new Set(['Programmed', 'Ready']);

/**
 * What to write so that a resource says what was found for it; `undefined` = it says so already. Nothing is written without a change: an own write wakes the operator too.
 *
 * @param generation of the resource that the conditions were found for
 * @param time RFC 3339
 */
export function statusChange(
  object: KubeObject,
  { conditions: wanted, ...details }: WantedStatus,
  generation: number,
  time: string,
): StatusChange | undefined {
  const parsed = statusObject.safeParse(object);
  const said = parsed.success ? parsed.data.status : undefined;
  const { observedGeneration, conditions: before = [] } = said ?? {};
  const conditions = nextConditions(before, wanted, generation, time);
  const changed = conditions.filter((condition) => !before.some((old) => isSame(old, condition)));
  const isGone = before.some((old) => !conditions.some(({ type }) => type === old.type));
  const ofResource =
    observedGeneration !== generation ||
    isGone ||
    changed.some(({ type }) => !OF_PODS.has(type) || !before.some((old) => old.type === type));
  if (!ofResource && changed.length === 0 && isSameDetails(details, said)) return undefined;
  return {
    status: { observedGeneration: generation, conditions, ...details },
    transitions: transitions(before, conditions).map((condition) => ({
      condition,
      before: before.find(({ type }) => type === condition.type),
    })),
    cause: ofResource ? 'Resource' : 'Pods',
  };
}

function isSameDetails(wanted: Omit<WantedStatus, 'conditions'>, said: SaidStatus | undefined): boolean {
  return DETAILS.every((name) => {
    const [a, b] = [wanted[name], said?.[name]];
    return a === b || (a !== undefined && b !== undefined && canonicalJson(a) === canonicalJson(b));
  });
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
