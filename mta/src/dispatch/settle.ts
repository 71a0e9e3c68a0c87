import type { EffectiveRetry } from '@sluice/crds';
import type { Phase, TransactionResult } from '../deliver/mod.ts';
import { type Entry, nextAttemptAtMs } from '../queue/mod.ts';
import type { Reply } from '../spool/mod.ts';
import type { AttemptPlace, OutcomeReport } from './attempt-report.ts';
import type { DispatchContext } from './dispatch-context.ts';
import type { ResidentMessage } from './resident-messages.ts';

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
}

/**
 * Applies what a transaction answered: delivered and bounced recipients are final, deferred ones wait for the next attempt,
 * untried ones go at once. What the peer has taken is recorded before anything else starts on this group.
 */
export function settle(context: DispatchContext, attempt: Attempt, result: TransactionResult): void {
  const { entry, message, group, untried } = attempt;
  const { queue } = context;
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
  const tell = (
    kind: OutcomeReport['kind'],
    positions: readonly number[],
    nextAttemptAtMs: number,
  ): (() => void) => {
    const first = result.recipients[positions[0] ?? 0];
    return () =>
      context.report.outcome({
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
  const final: (() => void)[] = [];
  if (by.delivered.length > 0) final.push(tell('delivered', by.delivered, 0));
  if (by.permanent.length > 0)
    final.push(...eachReply(result, by.permanent).map((same) => tell('bounced', same, 0)));
  const afterDurable =
    final.length === 0
      ? undefined
      : () => {
          for (const each of final) each();
        };

  if (untried.length === 0 && deferred.length === 0) {
    finish(context, entry, message, group, afterDurable);
    return;
  }
  const nextAtMs =
    untried.length > 0 ? nowMs : nextAttemptAtMs(nowMs, attempt.retry.delaysMs, attempts, context.random);
  const [firstTransient] = by.transient;
  const lastReply = firstTransient === undefined ? undefined : result.recipients[firstTransient]?.reply;
  context.journal.add(
    {
      kind: 'deferred',
      reference: message.reference,
      group,
      state: {
        pending: untried.length === 0 ? deferred : deferred.concat(untried).sort((a, b) => a - b),
        attempts: untried.length > 0 ? attempts - 1 : attempts,
        nextAttemptAtMs: nextAtMs,
        ...(lastReply === undefined ? {} : { lastReply }),
        lastSource: attempt.place.source,
      },
    },
    afterDurable,
  );
  if (by.transient.length > 0) {
    for (const same of eachReply(result, by.transient)) tell('deferred', same, nextAtMs)();
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
  const report: OutcomeReport = {
    kind: 'expired',
    envelope: message.envelope,
    recipients: pending,
    attempts: context.queue.attempts(entry),
    place,
    phase: '',
    reply: { code: 554, enhanced: '5.4.7', text: 'delivery time expired', host: '' },
    nextAttemptAtMs: 0,
    nowMs: context.clock.nowMs(),
  };
  finish(context, entry, message, group, () => context.report.outcome(report));
}

const NO_REPLY: Reply = { code: 451, enhanced: '4.4.2', text: 'no reply for this recipient', host: '' };

function finish(
  context: DispatchContext,
  entry: Entry,
  message: ResidentMessage,
  group: number,
  afterDurable: (() => void) | undefined,
): void {
  context.journal.add({ kind: 'done', reference: message.reference, group }, afterDurable);
  context.partial.delete(message.reference.sequence, group);
  context.queue.remove(entry);
  context.resident.groupDone(message.reference.sequence);
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
