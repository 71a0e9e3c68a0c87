/** One metric: its Prometheus name, type, what it counts, its labels. */
export interface MetricDefinition {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

/** Labels of everything that leaves: bounded by the configuration, never a domain (see `MAX_EGRESS_SERIES`). */
const EGRESS = ['pool', 'source', 'group'] as const;

/**
 * Every metric of the MTA, in one table: `metrics.ts` fills it, docs/reference/metrics.md is generated from it.
 * Names carry their unit; counters end in `_total`.
 */
export const METRICS = {
  acceptedMessages: {
    name: 'sluice_accepted_messages_total',
    type: 'counter',
    help: 'Messages stored and answered with 250.',
    labels: [],
  },
  acceptedRecipients: {
    name: 'sluice_accepted_recipients_total',
    type: 'counter',
    help: 'Recipients of accepted messages.',
    labels: [],
  },
  acceptedBytes: {
    name: 'sluice_accepted_bytes_total',
    type: 'counter',
    help: 'Bytes of accepted messages.',
    labels: [],
  },
  rejections: {
    name: 'sluice_rejections_total',
    type: 'counter',
    help: 'Replies by which intake refused a connection, a command or a message, by basic status code.',
    labels: ['code'],
  },
  clientConnections: {
    name: 'sluice_client_connections',
    type: 'gauge',
    help: 'Open connections of clients that hand in mail.',
    labels: [],
  },
  clientConnectionsOpened: {
    name: 'sluice_client_connections_opened_total',
    type: 'counter',
    help: 'Connections of clients accepted so far.',
    labels: [],
  },
  outcomes: {
    name: 'sluice_recipient_outcomes_total',
    type: 'counter',
    help: 'Recipients by outcome of an attempt: delivered, deferred (transient), bounced (permanent), expired.',
    labels: ['outcome', ...EGRESS],
  },
  transactions: {
    name: 'sluice_transactions_total',
    type: 'counter',
    help: 'Transactions begun with MAIL.',
    labels: EGRESS,
  },
  deliveredBytes: {
    name: 'sluice_delivered_bytes_total',
    type: 'counter',
    help: 'Bytes of messages taken over by the next host.',
    labels: EGRESS,
  },
  connections: {
    name: 'sluice_connections',
    type: 'gauge',
    help: 'Connections to mailbox providers: connecting, open and idle.',
    labels: EGRESS,
  },
  connectionsOpened: {
    name: 'sluice_connections_opened_total',
    type: 'counter',
    help: 'Connections to mailbox providers that were tried.',
    labels: EGRESS,
  },
  connectionFailures: {
    name: 'sluice_connection_failures_total',
    type: 'counter',
    help: 'Connections that ended before a session was usable.',
    labels: EGRESS,
  },
  limitWaits: {
    name: 'sluice_limit_waits_total',
    type: 'counter',
    help: 'Times that mail went to sleep because a limit of this name was used up.',
    labels: ['limit'],
  },
  deliveryAge: {
    name: 'sluice_delivery_age_seconds',
    type: 'histogram',
    help: 'Time from acceptance to delivery of a message (one observation a transaction).',
    labels: [],
  },
  transactionDuration: {
    name: 'sluice_transaction_duration_seconds',
    type: 'histogram',
    help: 'Time from MAIL to the last reply of a transaction.',
    labels: [],
  },
  queueEntries: {
    name: 'sluice_queue_entries',
    type: 'gauge',
    help: 'Recipient groups queued: ready, sleeping on a limit, scheduled for later, or in flight.',
    labels: ['state'],
  },
  queueLanes: {
    name: 'sluice_queue_lanes',
    type: 'gauge',
    help: 'Lanes (pool, site) that hold mail.',
    labels: [],
  },
  queueOldestAge: {
    name: 'sluice_queue_oldest_age_seconds',
    type: 'gauge',
    help: 'Age of the oldest message queued.',
    labels: [],
  },
  spoolMessages: {
    name: 'sluice_spool_messages',
    type: 'gauge',
    help: 'Messages in the spool.',
    labels: [],
  },
  spoolUsedBytes: {
    name: 'sluice_spool_used_bytes',
    type: 'gauge',
    help: 'Bytes that the spool occupies.',
    labels: [],
  },
  spoolFreeBytes: {
    name: 'sluice_spool_free_bytes',
    type: 'gauge',
    help: 'Bytes by which the spool may still grow.',
    labels: [],
  },
  spoolAppendDuration: {
    name: 'sluice_spool_append_duration_seconds',
    type: 'histogram',
    help: 'Time until a message was durable.',
    labels: [],
  },
  spoolRefusals: {
    name: 'sluice_spool_refusals_total',
    type: 'counter',
    help: 'Messages that the spool did not take: full (452) or unavailable (451).',
    labels: ['reason'],
  },
  clusterSegments: {
    name: 'sluice_cluster_segments',
    type: 'gauge',
    help: 'Parts of the shared spool that this process owns, and those of them that take new mail.',
    labels: ['state'],
  },
  clusterPods: {
    name: 'sluice_cluster_sessions',
    type: 'gauge',
    help: 'Processes that share the spool and live, this one included.',
    labels: [],
  },
  clusterAdoptions: {
    name: 'sluice_cluster_adoptions_total',
    type: 'counter',
    help: 'Parts of the shared spool that this process took over.',
    labels: [],
  },
  clusterSessionLosses: {
    name: 'sluice_cluster_session_losses_total',
    type: 'counter',
    help: 'Times that this process gave up all its mail because the others may have seen it dead.',
    labels: [],
  },
  dkimSignatures: {
    name: 'sluice_dkim_signatures_total',
    type: 'counter',
    help: 'DKIM signatures made.',
    labels: [],
  },
  dkimMissingKeys: {
    name: 'sluice_dkim_missing_keys_total',
    type: 'counter',
    help: 'Signatures that could not be made for want of a key, by what followed: Refuse, Hold (the message waits for the key), SendUnsigned.',
    labels: ['consequence'],
  },
  heldEntries: {
    name: 'sluice_held_entries',
    type: 'gauge',
    help: 'Recipient groups queued that wait for a DKIM key; they are among the scheduled ones.',
    labels: [],
  },
  poisonedGroups: {
    name: 'sluice_poisoned_groups_total',
    type: 'counter',
    help: 'Recipient groups held because they were in flight at three unclean ends of a process in a row.',
    labels: [],
  },
  reactionHits: {
    name: 'sluice_reaction_hits_total',
    type: 'counter',
    help: 'Replies of receivers that hit a reaction of a policy, by the code of the reply and whether it went off (its trigger was complete, counted over all pods).',
    labels: ['reaction', 'group', 'code', 'went_off'],
  },
  limitShards: {
    name: 'sluice_limit_shards',
    type: 'gauge',
    help: 'Shards of limits that are shared with other pods: `led` by this pod, `degraded` = their leader does not answer.',
    labels: ['state'],
  },
  limitsHeld: {
    name: 'sluice_limits_held',
    type: 'gauge',
    help: '1 = NATS does not acknowledge this pod, so that nothing new is sent.',
    labels: [],
  },
  directivesHeard: {
    name: 'sluice_directives_heard',
    type: 'gauge',
    help: '1 = this pod hears what others suspend, hold, bounce and override; 0 = it obeys what it knew when NATS was last there.',
    labels: [],
  },
  directives: {
    name: 'sluice_directives',
    type: 'gauge',
    help: 'Directives in force, by what they do and who gave them.',
    labels: ['effect', 'origin'],
  },
  reports: {
    name: 'sluice_reports_total',
    type: 'counter',
    help: 'Reports to senders (DSN) that were stored, by what they say: failed, delayed, relayed.',
    labels: ['action'],
  },
  reportsDropped: {
    name: 'sluice_reports_dropped_total',
    type: 'counter',
    help: 'Reports to senders that no egress pool takes; each has an event `unreported`.',
    labels: [],
  },
  reportsOwed: {
    name: 'sluice_reports_owed',
    type: 'gauge',
    help: 'Recipient groups whose sender has to be told something and has not been told yet.',
    labels: [],
  },
  configInfo: {
    name: 'sluice_config_info',
    type: 'gauge',
    help: 'Always 1; the label is the hash of the configuration in force.',
    labels: ['hash'],
  },
  configLoaded: {
    name: 'sluice_config_loaded_timestamp_seconds',
    type: 'gauge',
    help: 'When the configuration in force was loaded, seconds since 1970.',
    labels: [],
  },
  configOk: {
    name: 'sluice_config_last_reload_success',
    type: 'gauge',
    help: '1 = the resources as they are now are in force; 0 = some are broken and their last good form is.',
    labels: [],
  },
  configProblems: {
    name: 'sluice_config_problems',
    type: 'gauge',
    help: 'Problems in the resources as they are now; /readyz lists them.',
    labels: [],
  },
  eventsDropped: {
    name: 'sluice_events_dropped_total',
    type: 'counter',
    help: 'Events that a reader did not get because it was too slow or could not be written to.',
    labels: [],
  },
  eventLoopLag: {
    name: 'sluice_event_loop_lag_seconds',
    type: 'gauge',
    help: 'How late the event loop was since the last scrape: quantiles 0.5, 0.99 and 1 (the maximum).',
    labels: ['quantile'],
  },
  cpu: {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    help: 'User and system CPU time of the process.',
    labels: [],
  },
  residentMemory: {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory of the process.',
    labels: [],
  },
  startTime: {
    name: 'process_start_time_seconds',
    type: 'gauge',
    help: 'When the process started, seconds since 1970.',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>;
