/** What Sluice tells about itself: events, metrics, the log. */
export { type EgressCounters, MAX_EGRESS_SERIES } from './egress-counters.ts';
export { type EventType, type MailEvent, mailEventSchema } from './event.ts';
export { createEventSink, type EventSink, type EventSinkOptions } from './event-sink.ts';
export { createLogger, type LogDestination } from './logger.ts';
export { createMetrics, type MetricSources, type Metrics, type QueueGauges } from './metrics.ts';
export { createProxyMetrics, type ProxyMetrics } from './proxy-metrics.ts';
export { eventsPage, metricsPage } from './reference-pages.ts';
export { isReported, mayReportDelay, type ReportRules } from './report-rules.ts';
export { isReport, type ReportedRecipient, type StatusReport, writeStatusReport } from './status-report.ts';
