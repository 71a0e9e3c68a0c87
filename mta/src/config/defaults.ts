/** Defaults of `sluice.yaml`, each with the reason for its value. */

/** A 50 MB attachment in base64 fits. */
export const MAX_MESSAGE_BYTES = 72 * 2 ** 20;
/** Ten times what RFC 5321 §4.5.3.1.8 asks for at least. */
export const MAX_RECIPIENTS = 1_000;
export const MAX_CONNECTIONS = 5_000;
/** Injectors are few and strong: one of them may hold many sessions. */
export const MAX_CONNECTIONS_PER_CLIENT = 500;
/** A client that never reconnects would stay on one pod for ever. */
export const MAX_MESSAGES_PER_CONNECTION = 10_000;
/** RFC 5321 §4.5.3.2.7: a server waits at least 5 minutes for a command. */
export const IDLE_TIMEOUT_MS = 300_000;
/** RFC 5321 §4.5.3.2.5: 3 minutes between two blocks of data. */
export const COMMAND_TIMEOUT_MS = 180_000;
export const TENANT_HEADER = 'X-Sluice-Tenant';
export const CAMPAIGN_HEADER = 'X-Sluice-Campaign';
export const CLASS_HEADER = 'X-Sluice-Class';
/** Not open to the network unless somebody says so: it knows no passwords. */
export const ADMIN_ADDRESS = { host: '127.0.0.1', port: 9025 };
/** Room for the outcomes of what is already accepted. */
export const MIN_FREE_BYTES = 2 ** 30;
/** The rest is for bodies in flight when the gate closes. */
export const MEMORY_LOW_WATER_PERCENT = 85;
export const DNS_TIMEOUT_MS = 3_000;
export const DNS_ATTEMPTS = 4;
export const SMTP_PORT = 25;
/** Before the part before the @ of the address that reports come from; the host name follows. */
export const REPORT_MAILBOX = 'MAILER-DAEMON';
/** RFC 5321 §4.5.4.1 lets mail wait for days; after four hours a person would ask. */
export const DELAYED_AFTER_MS = 14_400_000;
/** A report is sent to somebody whose message has just failed: it should not fail for its size. */
export const MAX_RETURNED_BYTES = 2 ** 20;
/** Supervisors (Kubernetes among them) usually wait 30 s before they kill. */
export const DRAIN_TIMEOUT_MS = 25_000;
/** Equal for all hosts of a route unless the user orders them. */
export const ROUTE_PREFERENCE = 10;
export const NATS_PREFIX = 'sluice';
/** Two hours of 1,000 messages a second at 10 KB would be 70 GB: a store that is for more than trying out is given its own size. */
export const NATS_MAX_BYTES = 10 * 2 ** 30;
/** An hour of outcomes at 5,000 a second, were nothing of them ever put together. */
export const NATS_JOURNAL_BYTES = 2 ** 30;
/** As many leaders as a cluster of three can share, and one more than it has cores to spare for. */
export const NATS_SPOOL_STREAMS = 4;
/** Half a day at 1,000 messages a second, each accepted and delivered. */
export const EVENTS_MAX_BYTES = 2 * 2 ** 30;
/** A consumer that was down over a weekend misses nothing. */
export const EVENTS_MAX_AGE_MS = 72 * 3_600_000;
