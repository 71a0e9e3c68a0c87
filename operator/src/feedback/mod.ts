/** What running pods say of themselves, read from their NATS. */
export { Feedback } from './feedback.ts';
export { type FeedbackSource, type FeedbackState, NO_FEEDBACK } from './feedback-state.ts';
export { feedbackPermissions, type NatsAccess, type NatsLogin } from './nats-access.ts';
export type { LivingSession } from './session-book.ts';
