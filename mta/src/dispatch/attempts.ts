import type { RecipientResult, SessionFailure, TransactionResult } from '../deliver/mod.ts';
import type { Entry, UnitId, UnitKey } from '../queue/mod.ts';
import type { NoRoute } from '../route/mod.ts';
import {
  type DeliveryStatusRequest,
  type GroupState,
  idCheck,
  NOTHING_ASKED,
  type Reply,
} from '../spool/mod.ts';
import type { AttemptPlace } from './attempt-report.ts';
import type { CarriedUnit } from './carried-unit.ts';
import type { CarryingSession } from './carrying-session.ts';
import type { Destination } from './destinations.ts';
import type { DispatchContext } from './dispatch-context.ts';
import type { SignedNow } from './held-mail.ts';
import type { LaneSource } from './lane-source.ts';
import type { Consequence } from './reaction-desk.ts';
import type { ResidentMessage } from './resident-messages.ts';
import { type Attempt, leave, settle, settleAll, settleExpired } from './settle.ts';

/** A queued entry with its message at hand. */
export interface Loaded {
  readonly message: ResidentMessage;
  readonly group: number;
  /** Recipients of the group that still wait. */
  readonly untried: readonly number[];
  readonly deferred: readonly number[];
}

/** What went wrong in an attempt. */
export interface Setback {
  readonly reply: Reply;
  /** The peer ended the session in its first transaction, and no recipient has a final answer: it refuses mail as such. */
  readonly refusal?: SessionFailure;
}

/** A connection that came to nothing, and what reactions make of it. */
export interface FailedConnection {
  readonly destination: Destination | undefined;
  readonly source: LaneSource | undefined;
  readonly failure: SessionFailure | NoRoute;
  readonly consequence: Consequence | undefined;
}

/** Pause before a message is asked for again from a store that could not be read, milliseconds. */
export const STORE_RETRY_MS = 1_000;

const UNREADABLE: Setback = {
  reply: { code: 451, enhanced: '4.3.2', text: 'the message store cannot be read', host: '' },
};

const KEY_MISSING: Setback = {
  reply: { code: 451, enhanced: '4.7.5', text: 'its DKIM key is missing: held', host: '' },
};

/**
 * The entry's message, from memory or the store. `gone` when the store has no such message or another one in its place
 * (see {@link Reference}): then the entry left the queue and was reported. `unreadable` when the store failed: the entry is as it was.
 */
export async function loadEntry(
  context: DispatchContext,
  entry: Entry,
): Promise<Loaded | 'gone' | 'unreadable'> {
  const { queue } = context;
  const sequence = queue.sequence(entry);
  const group = queue.group(entry);
  if (queue.fate(entry) === 'lost') {
    queue.remove(entry);
    return 'gone';
  }
  let message = context.resident.peek(sequence);
  if (message === undefined) {
    try {
      message = await context.resident.load(sequence);
    } catch (error) {
      context.report.storeError(error);
      return 'unreadable';
    }
  }
  const members = message?.groups[group];
  if (
    message === undefined ||
    members === undefined ||
    idCheck(message.reference.id) !== queue.idCheck(entry)
  ) {
    queue.remove(entry);
    context.report.mismatch(sequence);
    return 'gone';
  }
  const partial = context.partial.get(sequence, group);
  return {
    message,
    group,
    untried: partial?.untried ?? members.recipients,
    deferred: partial?.deferred ?? [],
  };
}

/** Messages of a unit that are read together with one that is not in memory, and their octets: a transfer of some milliseconds. */
const READ_AHEAD_MESSAGES = 64;
const READ_AHEAD_BYTES = 512 * 1024;

function readAhead({ queue, resident }: DispatchContext, unit: UnitId): void {
  let bytes = 0;
  for (const entry of queue.upcoming(unit, READ_AHEAD_MESSAGES)) {
    bytes += queue.sizeBytes(entry);
    if (bytes > READ_AHEAD_BYTES || !resident.readAhead(queue.sequence(entry), queue.sizeBytes(entry)))
      return;
  }
}

/** A taken entry whose message could not be read waits a moment; no attempt. */
export function postpone({ queue, clock }: DispatchContext, entry: Entry): void {
  queue.defer(entry, { dueAtMs: clock.nowMs() + STORE_RETRY_MS, attempts: queue.attempts(entry) });
}

/** One transaction of an entry over an open session; resolves with what went wrong for some recipient, if something did. */
export async function attemptEntry(
  context: DispatchContext,
  session: CarryingSession,
  unit: CarriedUnit,
  entry: Entry,
): Promise<Setback | undefined> {
  const endsAhead = context.resident.endsAhead(context.queue.sequence(entry));
  const loading = loadEntry(context, entry);
  if (endsAhead) readAhead(context, unit.unit);
  const loaded = await loading;
  if (loaded === 'gone') return undefined;
  if (loaded === 'unreadable') {
    postpone(context, entry);
    return UNREADABLE;
  }
  const { envelope } = loaded.message;
  const sent =
    envelope.awaitsSignature === undefined
      ? { body: loaded.message.body, sizeBytes: envelope.sizeBytes }
      : await signNow(context, loaded.message);
  if ('waitsFor' in sent) {
    context.queue.defer(entry, {
      dueAtMs: context.held.retryAtMs(),
      attempts: context.queue.attempts(entry),
    });
    context.held.hold(entry, sent.waitsFor);
    return KEY_MISSING;
  }
  const begun = context.spool.begin(loaded.message.reference, loaded.group);
  if ((typeof begun === 'string' ? begun : await begun) === 'no') {
    // It comes back through the spool if it is to be sent after all.
    leave(context, entry, loaded.message.reference.sequence, loaded.group);
    return undefined;
  }
  const { destination, target, source } = session;
  const atMost = unit.destination.policy.session.recipientsPerTransaction;
  const tried = loaded.untried.length <= atMost ? loaded.untried : loaded.untried.slice(0, atMost);
  const result = await session.smtp.send({
    sender: envelope.sender,
    recipients: tried.map((index) => envelope.recipients[index] ?? ''),
    body: sent.body,
    sizeBytes: sent.sizeBytes,
    eightBit: envelope.eightBit,
    smtputf8: envelope.smtputf8,
    ...(envelope.statusRequest === undefined
      ? undefined
      : { statusRequest: requestOf(envelope.statusRequest, tried) }),
  });
  if (!result.begun && (session.carried > 0 || session.retiring || result.ended === 'extension-broken')) {
    // The peer had closed the idle session, or we did: nothing was said about this message. Or it is sent anew without what the host cannot do.
    notBegun(context, entry, loaded);
    return undefined;
  }
  session.carried++;
  context.report.transaction(result.durationMs);
  const place: AttemptPlace = {
    pool: unit.key.pool,
    source: source.name,
    sourceAddress: source.address,
    site: destination.route.site,
    group: unit.destination.policy.group,
    domain: unit.key.domain,
    mxHost: target.host.name,
    mxAddress: target.address.address,
    ...(session.smtp.tls === undefined ? {} : { tls: session.smtp.tls }),
  };
  const failed = result.recipients.find((recipient) => recipient.status !== 'delivered');
  const judged =
    failed === undefined
      ? { result }
      : await context.reactions.ofTransaction(
          result,
          unit.facts(source, target.host.name),
          unit.destination.policy,
          envelope,
        );
  settle(
    context,
    {
      entry,
      message: loaded.message,
      group: loaded.group,
      retry: unit.destination.policy.retry,
      place,
      tried,
      untried: loaded.untried.length <= atMost ? [] : loaded.untried.slice(atMost),
      deferredBefore: loaded.deferred,
      passedOn: session.smtp.dsn,
      ...(judged.retryAfterMs === undefined ? {} : { retryAfterMs: judged.retryAfterMs }),
    },
    judged.result,
  );
  if (failed === undefined) return undefined;
  const refused =
    session.carried === 1 &&
    result.ended !== undefined &&
    !session.retiring &&
    result.recipients.every(({ status }) => status === 'transient');
  return refused
    ? { reply: failed.reply, refusal: refusalOf(failed, result.ended) }
    : { reply: failed.reply };
}

/** The transaction that the store let begin did not: nobody waits for its outcome. */
function notBegun(
  context: DispatchContext,
  entry: Entry,
  { message, group, untried, deferred }: Loaded,
): void {
  const { queue, tracked, lastReplies, journal, spool } = context;
  const { reference } = message;
  if (queue.fate(entry) !== 'released') spool.abandon(reference, group);
  else {
    // Its part was given up as if it were in flight: whoever has it now is told that it goes on as before.
    const before = tracked.get(reference.sequence, group)?.state;
    const lastReply = lastReplies.get(reference.sequence, group);
    const state: GroupState = {
      ...before,
      pending: [...untried, ...deferred].sort((a, b) => a - b),
      attempts: queue.attempts(entry),
      nextAttemptAtMs: context.clock.nowMs(),
      ...(lastReply !== undefined && { lastReply }),
      lastSource: before?.lastSource ?? '',
    };
    journal.add({ kind: 'deferred', reference, group, state });
  }
  queue.giveBack(entry);
}

/** A message that was accepted without its signature, signed; or the key file that it still waits for. */
async function signNow(
  { signing }: DispatchContext,
  { envelope, body }: ResidentMessage,
): Promise<SignedNow | { readonly waitsFor: string }> {
  return (await signing?.sign(envelope, body)) ?? { body, sizeBytes: envelope.sizeBytes };
}

/** The wishes about some of the recipients. */
function requestOf(request: DeliveryStatusRequest, tried: readonly number[]): DeliveryStatusRequest {
  return { ...request, recipients: tried.map((index) => request.recipients[index] ?? NOTHING_ASKED) };
}

function refusalOf({ phase, reply }: RecipientResult, ended: TransactionResult['ended']): SessionFailure {
  if (typeof ended === 'object') return ended;
  return { ok: false, phase, cause: 'closed', reply, tryNextHost: true, permanent: false };
}

/** The connection failed before any message was offered: this entry is charged with the attempt. */
export async function failEntry(
  context: DispatchContext,
  entry: Entry,
  key: UnitKey,
  { destination, source: laneSource, failure, consequence }: FailedConnection,
): Promise<void> {
  const loaded = await loadEntry(context, entry);
  if (loaded === 'gone') return;
  if (loaded === 'unreadable') {
    postpone(context, entry);
    return;
  }
  const noRoute = 'kind' in failure;
  const attempt: Attempt = {
    entry,
    message: loaded.message,
    group: loaded.group,
    retry: destination?.policy.retry ?? context.retryFor(key.pool, key.domain),
    place: {
      ...unknownPlace(key),
      source: laneSource?.source.name ?? '',
      sourceAddress: laneSource?.source.address ?? '',
      site: destination?.route.site ?? '',
      group: destination?.policy.group ?? '',
      mxHost: failure.reply.host,
    },
    tried: loaded.untried,
    untried: [],
    deferredBefore: loaded.deferred,
    passedOn: false,
  };
  const permanent =
    consequence?.bounce === true || (noRoute ? failure.kind === 'permanent' : failure.permanent);
  settleAll(
    context,
    consequence?.retryAfterMs === undefined
      ? attempt
      : { ...attempt, retryAfterMs: consequence.retryAfterMs },
    permanent ? 'permanent' : 'transient',
    noRoute ? 'Connect' : failure.phase,
    failure.reply,
  );
}

/** The entry's time is up. It has already left the queue's clocks. Resolves `false` when its message could not be read: try again later. */
export async function expireEntry(context: DispatchContext, entry: Entry, key: UnitKey): Promise<boolean> {
  const loaded = await loadEntry(context, entry);
  if (loaded === 'gone') return true;
  if (loaded === 'unreadable') return false;
  const pending = loaded.untried.concat(loaded.deferred).sort((a, b) => a - b);
  settleExpired(context, entry, loaded.message, loaded.group, pending, unknownPlace(key));
  return true;
}

function unknownPlace(key: UnitKey): AttemptPlace {
  return {
    pool: key.pool,
    source: '',
    sourceAddress: '',
    site: '',
    group: '',
    domain: key.domain,
    mxHost: '',
    mxAddress: '',
  };
}
