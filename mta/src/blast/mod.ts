/** The traffic generator behind `sluice blast`: real SMTP mail, weighted domains and sizes, bounded in count. */
export { type BlastOptions, type BlastResult, blast } from './blast.ts';
export type { BlastAnswer, BlastTarget } from './blast-session.ts';
export { type BlastPlan, type PlannedMessage, plannedMessages, seededRandom, type Weighted } from './plan.ts';
