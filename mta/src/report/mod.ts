/** What Sluice tells about itself: events, metrics, the log. */
export { type EgressCounters, MAX_EGRESS_SERIES } from './egress-counters.ts';
export { EVENT_TYPES, type EventType, type MailEvent, mailEventSchema } from './event.ts';
export { createEventSink, type EventSink, type EventSinkOptions } from './event-sink.ts';
export { EVENT_COUNT_HEADER, EventStreamLayout } from './event-stream-layout.ts';
export { createLogger, type LogDestination } from './logger.ts';
export {
  createMetrics,
  type LiveCounts,
  type MetricSources,
  type Metrics,
  type QueueGauges,
} from './metrics.ts';
export { type OpenEventStream, openEventStream } from './open-event-stream.ts';
export { createProxyMetrics, type ProxyMetrics } from './proxy-metrics.ts';
export { type EventsWanted, readEventStream, type SeenEvent } from './read-event-stream.ts';
export { type OutcomeKind, RECENT_MS, RecentOutcomes, type RecentRates } from './recent-outcomes.ts';
export { eventsPage, metricsPage } from './reference-pages.ts';
export { isReported, mayReportDelay, type ReportRules } from './report-rules.ts';
export type { ReportedRecipient, StatusReport } from './status-report.ts';
export { isReport, writeStatusReport } from './write-status-report.ts';
