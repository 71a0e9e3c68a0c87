import type { EffectiveRetry } from '@sluice/crds';
import type { Phase, TransactionResult } from '../deliver/mod.ts';
import { type Entry, nextAttemptAtMs } from '../queue/mod.ts';
import { isReported } from '../report/mod.ts';
import { type GroupState, MAX_REPLY_TEXT, type OwedReport, type Reply } from '../spool/mod.ts';
import type { AttemptPlace, OutcomeReport } from './attempt-report.ts';
import type { DispatchContext } from './dispatch-context.ts';
import type { ResidentMessage } from './resident-messages.ts';
import { owedBy } from './tracked-groups.ts';

/** An attempt on an entry: what is needed to settle it. */
export interface Attempt {
  readonly entry: Entry;
  readonly message: ResidentMessage;
  readonly group: number;
  readonly retry: EffectiveRetry;
  readonly place: AttemptPlace;
  /** Recipients that were in the transaction: indexes into the envelope. */
  readonly tried: readonly number[];
  /** Recipients of the group that were not, because the transaction was full. */
  readonly untried: readonly number[];
  /** Recipients that earlier transactions of this attempt deferred. */
  readonly deferredBefore: readonly number[];
  /** The peer took over the sender's wishes about reports (it offers DSN). */
  readonly passedOn: boolean;
  /** Time to the next attempt that a reaction asks for; absent = the policy's. */
  readonly retryAfterMs?: number;
}

/** Further transactions of the same attempt may fill the same report; it waits for them so long, milliseconds. */
const GATHER_MS = 2_000;

/**
 * Applies what a transaction answered: delivered and bounced recipients are final, deferred ones wait for the next attempt,
 * untried ones go at once. What the peer has taken is recorded before anything else starts on this group.
 */
export function settle(context: DispatchContext, attempt: Attempt, result: TransactionResult): void {
  const { entry, message, group, untried } = attempt;
  const { queue } = context;
  const fate = queue.fate(entry);
  if (fate === 'lost') {
    leave(context, entry, message.reference.sequence, group);
    return;
  }
  const nowMs = context.clock.nowMs();
  const attempts = queue.attempts(entry) + 1;
  const by = { delivered: [] as number[], transient: [] as number[], permanent: [] as number[] };
  for (let position = 0; position < attempt.tried.length; position++) {
    by[result.recipients[position]?.status ?? 'transient'].push(position);
  }
  const deferred = attempt.deferredBefore.concat(
    by.transient.map((position) => attempt.tried[position] ?? 0),
  );
  deferred.sort((a, b) => a - b);
  // Told before it is recorded: the journal records nothing of which the event is not stored (ADR 0026).
  const tell = (kind: OutcomeReport['kind'], positions: readonly number[], nextAttemptAtMs: number): void => {
    const first = result.recipients[positions[0] ?? 0];
    tellOutcome(context, {
      kind,
      envelope: message.envelope,
      recipients: positions.map((position) => attempt.tried[position] ?? 0),
      attempts,
      place: attempt.place,
      phase: first?.phase ?? '',
      reply: first?.reply ?? NO_REPLY,
      nextAttemptAtMs,
      nowMs,
    });
  };
  if (by.delivered.length > 0) tell('delivered', by.delivered, 0);
  if (by.permanent.length > 0) for (const same of eachReply(result, by.permanent)) tell('bounced', same, 0);

  const { sequence } = message.reference;
  const tracked = context.tracked.get(sequence, group);
  let owed = owedBy(tracked);
  if (by.permanent.length > 0 || (message.envelope.statusRequest !== undefined && by.delivered.length > 0)) {
    owed = owed.concat(newlyOwed(context, attempt, result, by, nowMs));
  }
  if (untried.length === 0 && deferred.length === 0) {
    if (owed.length === 0) finish(context, entry, message, group);
    else finishOwing(context, entry, message, group, owed, attempts, attempt.place.source);
    return;
  }
  const { delaysMs } = attempt.retry;
  const retryDelaysMs = attempt.retryAfterMs === undefined ? delaysMs : [attempt.retryAfterMs];
  const nextAtMs =
    untried.length > 0 ? nowMs : nextAttemptAtMs(nowMs, retryDelaysMs, attempts, context.random);
  const [firstTransient] = by.transient;
  const lastReply = firstTransient === undefined ? undefined : result.recipients[firstTransient]?.reply;
  const state: GroupState = {
    pending: untried.length === 0 ? deferred : deferred.concat(untried).sort((a, b) => a - b),
    attempts: untried.length > 0 ? attempts - 1 : attempts,
    nextAttemptAtMs: nextAtMs,
    ...(lastReply === undefined ? {} : { lastReply }),
    lastSource: attempt.place.source,
    ...(owed.length === 0 ? {} : { owed }),
    ...(tracked?.state?.toldOfDelay === true ? { toldOfDelay: true } : {}),
  };
  if (tracked !== undefined) tracked.state = state;
  context.journal.add(
    { kind: 'deferred', reference: message.reference, group, state },
    owed.length === 0
      ? undefined
      : whenOwed(context, message, group, state, untried.length > 0 ? GATHER_MS : 0),
  );
  if (lastReply !== undefined) context.lastReplies.set(sequence, group, lastReply);
  if (by.transient.length > 0) {
    for (const same of eachReply(result, by.transient)) tell('deferred', same, nextAtMs);
  }
  if (fate !== undefined) {
    // Whoever has it now makes the next attempt.
    leave(context, entry, sequence, group);
    return;
  }
  if (untried.length > 0) {
    context.partial.set(message.reference.sequence, group, { untried, deferred });
    queue.giveBack(entry);
    return;
  }
  if (deferred.length < (message.groups[group]?.recipients.length ?? 0)) {
    context.partial.set(message.reference.sequence, group, { untried: deferred, deferred: [] });
  } else {
    // The next attempt is for the whole group again, not for what the last transaction of this one carried.
    context.partial.delete(message.reference.sequence, group);
  }
  deferEntry(context, attempt, attempts, nextAtMs);
}

/** Every recipient of an entry failed before a transaction began: no host took the connection, there is no route. */
export function settleAll(
  context: DispatchContext,
  attempt: Attempt,
  status: 'transient' | 'permanent',
  phase: Phase,
  reply: Reply,
): void {
  const recipients = attempt.tried.map(() => ({ status, phase, reply }));
  settle(context, attempt, { recipients, begun: true, durationMs: 0 });
}

/** Time is up: every pending recipient is reported as failed (RFC 3463 5.4.7) and the group is done. */
export function settleExpired(
  context: DispatchContext,
  entry: Entry,
  message: ResidentMessage,
  group: number,
  pending: readonly number[],
  place: AttemptPlace,
): void {
  const { sequence } = message.reference;
  const { envelope } = message;
  const nowMs = context.clock.nowMs();
  const attempts = context.queue.attempts(entry);
  const reply = expiredReply(context.lastReplies.get(sequence, group));
  const report: OutcomeReport = {
    kind: 'expired',
    envelope,
    recipients: pending,
    attempts,
    place,
    phase: '',
    reply,
    nextAttemptAtMs: 0,
    nowMs,
  };
  tellOutcome(context, report);
  const recipients = pending.filter((index) => isReported(context.reports.rules, envelope, index, 'failed'));
  const before = owedBy(context.tracked.get(sequence, group));
  const owed: readonly OwedReport[] =
    recipients.length === 0 ? before : before.concat({ action: 'failed', recipients, reply, atMs: nowMs });
  if (owed.length === 0) finish(context, entry, message, group);
  else finishOwing(context, entry, message, group, owed, attempts, place.source);
}

/** Whoever is told may fail; the outcome is recorded all the same. */
function tellOutcome({ report }: DispatchContext, outcome: OutcomeReport): void {
  try {
    report.outcome(outcome);
  } catch (error) {
    report.fault(error);
  }
}

function expiredReply(last: Reply | undefined): Reply {
  const text =
    last === undefined
      ? 'delivery time expired'
      : `delivery time expired; last: ${last.host === '' ? '' : `${last.host} said `}${last.code} ${last.enhanced} ${last.text}`;
  return {
    code: 554,
    enhanced: '5.4.7',
    text: text.replace(/ {2,}/g, ' ').slice(0, MAX_REPLY_TEXT),
    host: '',
  };
}

/** What the sender is to be told of this transaction. */
function newlyOwed(
  context: DispatchContext,
  { message, tried, passedOn }: Attempt,
  result: TransactionResult,
  by: { readonly delivered: readonly number[]; readonly permanent: readonly number[] },
  nowMs: number,
): readonly OwedReport[] {
  const { rules } = context.reports;
  const owed: OwedReport[] = [];
  const add = (action: 'failed' | 'relayed', positions: readonly number[]): void => {
    for (const same of eachReply(result, positions)) {
      const recipients = same
        .map((position) => tried[position] ?? 0)
        .filter((index) => isReported(rules, message.envelope, index, action));
      const reply = result.recipients[same[0] ?? 0]?.reply ?? NO_REPLY;
      if (recipients.length > 0) owed.push({ action, recipients, reply, atMs: nowMs });
    }
  };
  if (by.permanent.length > 0) add('failed', by.permanent);
  // A host that offers DSN reports itself (RFC 3461 §5.2.1); for any other one Sluice says that it handed the message on (§5.2.2).
  if (!passedOn && message.envelope.statusRequest !== undefined && by.delivered.length > 0) {
    add('relayed', by.delivered);
  }
  return owed;
}

/** What to do once a state with owed reports is durable: the desk writes them. */
function whenOwed(
  { tracked, desk }: DispatchContext,
  message: ResidentMessage,
  group: number,
  state: GroupState,
  gatherMs: number,
): () => void {
  const { reference, envelope } = message;
  const owing = tracked.track(reference, group, envelope.acceptedAtMs);
  owing.state = state;
  return () => {
    if (gatherMs === 0) desk.due(owing, message);
    else setTimeout(() => desk.due(owing), gatherMs).unref();
  };
}

/** Nothing of the group is sent any more, but the sender has to be told: it leaves the queue and stays in the store. */
function finishOwing(
  context: DispatchContext,
  entry: Entry,
  message: ResidentMessage,
  group: number,
  owed: readonly OwedReport[],
  attempts: number,
  lastSource: string,
): void {
  const { reference } = message;
  const state: GroupState = { pending: [], attempts, nextAttemptAtMs: 0, lastSource, owed };
  context.journal.add(
    { kind: 'deferred', reference, group, state },
    whenOwed(context, message, group, state, 0),
  );
  leave(context, entry, reference.sequence, group);
}

const NO_REPLY: Reply = { code: 451, enhanced: '4.4.2', text: 'no reply for this recipient', host: '' };

function finish(context: DispatchContext, entry: Entry, message: ResidentMessage, group: number): void {
  const { reference } = message;
  context.journal.add({ kind: 'done', reference, group });
  if (context.tracked.size > 0) context.tracked.forget({ reference, group });
  leave(context, entry, reference.sequence, group);
}

/** The entry leaves the queue and what is kept beside it. */
export function leave(context: DispatchContext, entry: Entry, sequence: number, group: number): void {
  context.partial.delete(sequence, group);
  context.lastReplies.delete(sequence, group);
  context.queue.remove(entry);
  context.resident.groupDone(sequence);
}

function deferEntry(context: DispatchContext, attempt: Attempt, attempts: number, dueAtMs: number): void {
  const pool = context.generation().pools.get(attempt.place.pool);
  const preferredSource = pool?.selection.onRetry === 'PreferSameSource' ? attempt.place.source : '';
  context.queue.defer(attempt.entry, { dueAtMs, attempts, preferredSource });
  context.resident.drop(attempt.message.reference.sequence);
}

/** Positions that got the same reply, together: one event each. */
function eachReply(result: TransactionResult, positions: readonly number[]): number[][] {
  if (positions.length === 1) return [[...positions]];
  const byReply = new Map<string, number[]>();
  for (const position of positions) {
    const reply = result.recipients[position]?.reply ?? NO_REPLY;
    const key = `${reply.code} ${reply.enhanced} ${reply.text}`;
    const same = byReply.get(key);
    if (same === undefined) byReply.set(key, [position]);
    else same.push(position);
  }
  return [...byReply.values()];
}
