import type { Logger } from '../config/mod.ts';
import type { EventSink, EventType, MailEvent, Metrics } from '../report/mod.ts';
import { type Envelope, type OwedReport, recipientGroups } from '../spool/mod.ts';
import type { DispatchReport, OutcomeReport, ReactionReport } from './attempt-report.ts';

/** Errors of one kind are logged at most this often, milliseconds. */
const LOG_EVERY_MS = 10_000;

/** Turns what the dispatcher tells into metrics, events and log lines. An event is only built when somebody reads it. */
export function createReporter(metrics: Metrics, events: EventSink, logger: Logger): DispatchReport {
  const sourceLoggedAtMs = new Map<string, number>();
  const errorLoggedAtMs = new Map<string, number>();
  const logError = (what: string, error: unknown): void => {
    const nowMs = performance.now();
    if (nowMs - (errorLoggedAtMs.get(what) ?? Number.NEGATIVE_INFINITY) < LOG_EVERY_MS) return;
    errorLoggedAtMs.set(what, nowMs);
    logger.error({ reason: error instanceof Error ? error.message : String(error) }, what);
  };
  return {
    stored: () => events.stored(),
    accepted(envelope) {
      metrics.accepted(envelope.recipients.length, envelope.sizeBytes);
      if (events.wants)
        events.emit({
          ...about('accepted', envelope, envelope.acceptedAtMs),
          recipients: envelope.recipients,
        });
    },
    outcome(report) {
      count(metrics, report);
      if (events.wants) events.emit(outcomeEvent(report));
    },
    transaction(durationMs) {
      metrics.transactionDuration(durationMs);
    },
    reacted(report) {
      metrics.reactionHit({
        reaction: report.reaction,
        group: report.facts.group,
        code: report.reply.code,
        wentOff: report.wentOff,
      });
      for (const { id, reason } of report.directives) {
        logger.warn({ directive: id, reason }, 'a reaction put a directive in force');
      }
      if (events.wants && report.wentOff) events.emit(reactionEvent(report));
    },
    limitWaited(limitName) {
      metrics.limitWaited(limitName);
    },
    connection(event, { pool, source, group }) {
      const counters = metrics.egress(pool, source, group);
      if (event === 'failed') counters.connectionFailures++;
      else if (event === 'closed') counters.connections--;
      else {
        counters.connections++;
        counters.connectionsOpened++;
      }
    },
    sourceBroken(source, reply) {
      const nowMs = performance.now();
      if (nowMs - (sourceLoggedAtMs.get(source.name) ?? Number.NEGATIVE_INFINITY) < LOG_EVERY_MS) return;
      sourceLoggedAtMs.set(source.name, nowMs);
      logger.error(
        { source: source.name, address: source.address, reason: reply.text },
        'an egress source cannot connect and is left out for a while',
      );
    },
    mismatch(sequence) {
      logger.error({ sequence }, 'a queued message is not in the store: it was not sent, and is forgotten');
    },
    held({ envelope, live }) {
      const members = recipientGroups(envelope).filter(({ group }) => live.has(group));
      const recipients = members.flatMap((each) =>
        each.recipients.map((index) => envelope.recipients[index] ?? ''),
      );
      metrics.poisoned(members.length);
      logger.error(
        { id: envelope.id, recipients: recipients.length },
        'a message was in flight when three processes in a row ended: it is held and not sent again (sluice queue poison)',
      );
      if (events.wants) events.emit({ ...about('held', envelope, Date.now()), recipients });
    },
    journalError(error) {
      logError('outcomes cannot be recorded: no new transaction starts until they can', error);
    },
    storeError(error) {
      logError('a queued message cannot be read from the store: it is tried again', error);
    },
    reported({ envelope, reportId, owed, nowMs }) {
      for (const [action, recipients] of byAction(envelope, owed)) {
        metrics.reported(action);
        if (events.wants)
          events.emit({ ...about('reported', envelope, nowMs), recipients, action, reportId });
      }
    },
    unreported({ envelope, owed, reason, nowMs }) {
      metrics.reportDropped();
      const nowLogMs = performance.now();
      if (nowLogMs - (errorLoggedAtMs.get('unreported') ?? Number.NEGATIVE_INFINITY) >= LOG_EVERY_MS) {
        errorLoggedAtMs.set('unreported', nowLogMs);
        logger.warn({ id: envelope.id, reason }, 'a report to a sender is dropped: no egress pool takes it');
      }
      if (!events.wants) return;
      for (const [action, recipients] of byAction(envelope, owed))
        events.emit({ ...about('unreported', envelope, nowMs), recipients, action, reason });
    },
    reportDelayed(reason) {
      logError('reports to senders cannot be stored: they are offered again', reason);
    },
    fault(error) {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      logger.error({ reason }, 'a bug in the dispatcher: what it stopped is tried again');
    },
  };
}

function reactionEvent(report: ReactionReport): MailEvent {
  const { reaction, facts, reply, phase, envelope, directives, nowMs } = report;
  return {
    ...(envelope === undefined
      ? { type: 'reacted' as const, time: new Date(nowMs).toISOString(), id: '', sender: '' }
      : about('reacted', envelope, nowMs)),
    recipients: envelope?.recipients ?? [],
    reaction,
    directives: directives.map(({ id }) => id),
    pool: facts.pool,
    source: facts.sourceName,
    sourceAddress: facts.sourceAddress,
    site: facts.site,
    ...(facts.group === '' ? {} : { group: facts.group }),
    domain: facts.domain,
    ...(facts.mxHost === '' ? {} : { mxHost: facts.mxHost }),
    phase,
    reply: { code: reply.code, enhanced: reply.enhanced, text: reply.text },
  };
}

/** Recipients that a report speaks about, by what it says of them. */
function byAction(envelope: Envelope, owed: readonly OwedReport[]): Map<OwedReport['action'], string[]> {
  const found = new Map<OwedReport['action'], string[]>();
  for (const { action, recipients } of owed) {
    const addresses = found.get(action) ?? [];
    for (const index of recipients) addresses.push(envelope.recipients[index] ?? '');
    found.set(action, addresses);
  }
  return found;
}

function count(metrics: Metrics, { kind, place, recipients, envelope, nowMs }: OutcomeReport): void {
  metrics.outcome(place, kind, recipients.length, envelope.sizeBytes);
  if (kind === 'delivered') metrics.deliveryAge(nowMs - envelope.acceptedAtMs);
}

function outcomeEvent({
  kind,
  envelope,
  recipients,
  place,
  attempts,
  phase,
  reply,
  nextAttemptAtMs,
  nowMs,
}: OutcomeReport) {
  return {
    ...about(kind, envelope, nowMs),
    recipients: recipients.map((index) => envelope.recipients[index] ?? ''),
    pool: place.pool,
    ...(place.source === '' ? {} : { source: place.source, sourceAddress: place.sourceAddress }),
    ...(place.site === '' ? {} : { site: place.site }),
    ...(place.group === '' ? {} : { group: place.group }),
    domain: place.domain,
    ...(place.mxHost === '' ? {} : { mxHost: place.mxHost }),
    ...(place.mxAddress === '' ? {} : { mxAddress: place.mxAddress }),
    ...(place.tls === undefined ? {} : { tls: place.tls }),
    attempts,
    ...(phase === '' ? {} : { phase }),
    reply: { code: reply.code, enhanced: reply.enhanced, text: reply.text },
    ...(kind === 'deferred' ? { nextAttempt: new Date(nextAttemptAtMs).toISOString() } : {}),
    ageMs: Math.round(nowMs - envelope.acceptedAtMs),
  };
}

function about(type: EventType, envelope: Envelope, atMs: number) {
  return {
    type,
    time: new Date(atMs).toISOString(),
    id: envelope.id,
    sender: envelope.sender,
    sizeBytes: envelope.sizeBytes,
    origin: envelope.origin,
    ...(envelope.tenant === '' ? {} : { tenant: envelope.tenant }),
    ...(envelope.campaign === '' ? {} : { campaign: envelope.campaign }),
    ...(envelope.class === '' ? {} : { class: envelope.class }),
  };
}
