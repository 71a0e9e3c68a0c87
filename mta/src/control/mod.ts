/** The admin side of an MTA: probes, metrics, views of the queue. */
export {
  type AdminServer,
  type AdminServerOptions,
  type AnsweredActivity,
  type AnsweredMail,
  type AnswersOfPods,
  LISTING_FILTERS,
  type QueueListing,
  startAdminServer,
} from './admin-server.ts';
export type { Collected } from './answer-collector.ts';
export { answerQuestions, type QuestionAnswers } from './answer-questions.ts';
export { ASK_TIMEOUT_MS, askPods } from './ask-pods.ts';
export { configurationCheck, drainingCheck, eventsCheck, listenerCheck, spoolCheck } from './checks.ts';
export type { ChosenAnywhere, DirectiveRoutes } from './directive-routes.ts';
export type { DirectiveOrder, DirectiveRemoval, DirectivesOfOthers } from './directives-of-others.ts';
export { laneViewSchema, mailViewSchema } from './mail-view-schema.ts';
export { type PodActivity, podActivitySchema, type SiteRow, type SourceRow } from './pod-activity.ts';
export {
  type ChosenMail,
  listingRowSchema,
  MAX_ACTIVITY_ROWS,
  MAX_POISONED_ROWS,
  type PodAnswer,
  type PodQuestion,
  QuestionSubjects,
} from './pod-question.ts';
export { type PodState, podStateSchema } from './pod-state.ts';
export {
  type AnsweredPoison,
  answeredPoisonSchema,
  type PoisonRoutes,
  retriedSchema,
} from './poison-routes.ts';
export { type CheckResult, type Readiness, type ReadinessCheck, readiness } from './readiness.ts';
