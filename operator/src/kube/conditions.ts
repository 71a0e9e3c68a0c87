import { z } from 'zod';

/** A condition as it is wanted; time and generation come from where it is written. */
export interface WantedCondition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

export interface WrittenCondition extends WantedCondition {
  readonly observedGeneration?: number | undefined;
  readonly lastTransitionTime: string;
}

export const writtenCondition = z.object({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  reason: z.string(),
  message: z.string(),
  observedGeneration: z.number().optional(),
  lastTransitionTime: z.string(),
});

/** Longest message that the schema of a status takes, characters. */
const MAX_MESSAGE = 32_768;

/**
 * Conditions as they are to be written. The time of a transition moves only when the status does: one that moved each time would be a change that wakes the
 * operator again.
 *
 * @param time RFC 3339, of now
 */
export function nextConditions(
  before: readonly WrittenCondition[],
  wanted: readonly WantedCondition[],
  generation: number,
  time: string,
): readonly WrittenCondition[] {
  return wanted.map(({ type, status, reason, message }) => {
    const old = before.find((condition) => condition.type === type);
    return {
      type,
      status,
      reason,
      message: message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : message,
      observedGeneration: generation,
      lastTransitionTime: old?.status === status ? old.lastTransitionTime : time,
    };
  });
}

/** Conditions whose status is another one than before, those that are new included. */
export function transitions(
  before: readonly WrittenCondition[],
  after: readonly WrittenCondition[],
): readonly WrittenCondition[] {
  return after.filter(
    ({ type, status }) => before.find((condition) => condition.type === type)?.status !== status,
  );
}
