/** Takes what is due from the queue, runs attempts, applies their outcomes. */
export type { AttemptPlace, DispatchReport, OutcomeReport } from './attempt-report.ts';
export { type Clock, monotonicWallClock } from './clock.ts';
export { siteOf } from './destinations.ts';
export { type AcceptRefusal, Dispatcher, type DispatcherOptions, type QueueView } from './dispatcher.ts';
export type { HeldSigning } from './held-mail.ts';
export type { LaneActivity } from './lane-activity.ts';
export type { LaneView } from './lane-view.ts';
export type { LimitView, MailCounts, MailQuestion, MailView, SourceView } from './mail-view.ts';
export { MAX_UNJOURNALLED_OUTCOMES } from './outcome-journal.ts';
export type { PoisonedMessage } from './poisoned-mail.ts';
export {
  groupsIn,
  LISTING_KEYS,
  type ListingFilter,
  type ListingKey,
  type ListingRow,
  mergeListings,
} from './queue-listing.ts';
export { REPORT_RETRY_MS, type ReportOptions, type SubmitReport } from './report-desk.ts';
export { createReporter } from './reporter.ts';
export { MAX_RESIDENT_BYTES } from './resident-messages.ts';
