import { z } from 'zod';
import { ordered, unionRules, withRules } from './cel-rule.ts';
import { calendarDate, count, listOf } from './schema-fields.ts';
import type { UnionMembers } from './union.ts';

export const MAX_WARMUP_DAYS = 180;
export const MAX_RECIPIENTS_PER_DAY = 1_000_000_000;

export const SCHEDULE_MEMBERS: UnionMembers = {
  Custom: { member: 'custom', example: '{recipientsPerDay: [200, 500, 1000]}' },
};

/** Recipients of the first day, growth from day to day, and number of days. After the last day nothing is bounded. */
const SCHEDULES = {
  Careful: { first: 50, growth: 1.25, days: 45 },
  Brisk: { first: 200, growth: 1.5, days: 24 },
} as const;

/** How the daily volume of a cold address grows. */
export const warmup = z.strictObject({
  startDate: calendarDate.describe('First day of the schedule, in UTC.'),
  schedule: withRules(
    z.strictObject({
      type: z
        .enum(['Careful', 'Brisk', 'Custom'])
        .describe(
          '`Careful`: 50 recipients on the first day, a quarter more each day, 45 days. `Brisk`: 200, half as many again each day, 24 days. `Custom`: as listed.',
        ),
      custom: z
        .strictObject({
          recipientsPerDay: ordered(listOf(count(MAX_RECIPIENTS_PER_DAY), MAX_WARMUP_DAYS)).describe(
            'Recipients of the first, second, … day; after the last one nothing is bounded.',
          ),
        })
        .exactOptional()
        .describe('Only with type `Custom`.'),
    }),
    ...unionRules(SCHEDULE_MEMBERS),
  ).describe('Recipients per day.'),
  advanceAtDeliveredPercent: count(100)
    .default(90)
    .describe(
      "Percent of a day's recipients that must be delivered for the next step; otherwise the day repeats.",
    ),
  onExhausted: z
    .enum(['OtherSources', 'Wait'])
    .default('OtherSources')
    .describe('When the day is used up. `OtherSources`: other sources of the pool. `Wait`: the next day.'),
});

export type WarmupSpec = z.output<typeof warmup>;

/**
 * Recipients of each day of a schedule.
 *
 * Example: `recipientsPerDay({ type: 'Brisk' }).slice(0, 3)` → `[200, 300, 450]`
 */
export function recipientsPerDay(schedule: WarmupSpec['schedule']): readonly number[] {
  if (schedule.type === 'Custom') return schedule.custom?.recipientsPerDay ?? [];
  const { first, growth, days } = SCHEDULES[schedule.type];
  return Array.from({ length: days }, (_, day) => Math.round(first * growth ** day));
}
