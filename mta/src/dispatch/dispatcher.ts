import { DEFAULT_RETRY, type EgressConfig, effectivePolicy } from '@sluice/crds';
import { DESTROY_GRACE_MS } from '../deliver/mod.ts';
import { createQueue, type NewEntry } from '../queue/mod.ts';
import { type Directive, type DirectiveStore, type Selector, selects } from '../react/mod.ts';
import { isReport, type QueueGauges } from '../report/mod.ts';
import type { Router } from '../route/mod.ts';
import { type HitCounting, type LimitKey, OwnHits, type Shaper } from '../shape/mod.ts';
import {
  type AppendRefusal,
  type Envelope,
  type GroupState,
  idCheck,
  type MessageBody,
  type PartEnd,
  type RecipientGroup,
  type Reference,
  recipientGroups,
  type Spool,
  type StoredMessage,
} from '../spool/mod.ts';
import type { DispatchReport } from './attempt-report.ts';
import type { Clock } from './clock.ts';
import { DelayWatch } from './delay-watch.ts';
import type { DispatchContext } from './dispatch-context.ts';
import { type Generation, newGeneration, withDirectives } from './generation.ts';
import { HeldMail, type HeldSigning } from './held-mail.ts';
import { type LaneActivity, laneActivities } from './lane-activity.ts';
import { LaneDriver } from './lane-driver.ts';
import { type LaneView, laneView, replyLine } from './lane-view.ts';
import { Lanes } from './lanes.ts';
import { LastReplies } from './last-replies.ts';
import { unitFacts, unitOrder } from './mail-order.ts';
import { type MailQuestion, type MailView, viewMail } from './mail-view.ts';
import { OutcomeJournal } from './outcome-journal.ts';
import { PartialGroups } from './partial-groups.ts';
import { PoisonedMail, type PoisonedMessage, retryOutcomes } from './poisoned-mail.ts';
import type { TenantLabels } from './pool-choice.ts';
import {
  type ListedUnit,
  type ListingFilter,
  type ListingKey,
  type ListingRow,
  queueListing,
} from './queue-listing.ts';
import { ReactionDesk } from './reaction-desk.ts';
import { ReportDesk, type ReportOptions } from './report-desk.ts';
import { ResidentMessages } from './resident-messages.ts';
import { TrackedGroups } from './tracked-groups.ts';

export interface DispatcherOptions {
  readonly config: EgressConfig;
  readonly spool: Spool;
  readonly router: Router;
  /** Makes the shaper; told whom to tell that a slot is wanted. */
  readonly createShaper: (signals: {
    readonly onSlotWanted: (key: LimitKey, elsewhere: boolean) => void;
    readonly onSlotServed: (key: LimitKey) => void;
    /** Something came from the allocator between two calls. */
    readonly onArrived: () => void;
  }) => Shaper;
  readonly openSession: DispatchContext['openSession'];
  readonly dial: DispatchContext['dial'];
  /** Signs mail that was accepted without a signature; absent = nothing is ever signed. */
  readonly signing?: HeldSigning;
  readonly report: DispatchReport;
  /** What holds for a while besides the configuration; the dispatcher follows its changes. */
  readonly directives: DirectiveStore;
  /** Counts hits of reactions with those of other pods; absent = of this process alone. */
  readonly hits?: HitCounting;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly tenantLabels: TenantLabels;
  readonly classPriority: (name: string) => number;
  /** Memory for queued envelopes and bodies, bytes. */
  readonly residentBytes: number;
  /** Reports to senders (RFC 3461); absent = none. */
  readonly reports?: ReportOptions;
}

const NO_REPORTS: ReportOptions = {
  rules: { reports: 'Disabled', delayed: 'OnRequest', tenants: new Map() },
  hostname: '',
  from: '',
  maxReturnedBytes: 0,
  delayedAfterMs: 0,
};
/** Changes of directives within this time are obeyed together, milliseconds. */
export const DIRECTIVES_DELAY_MS = 100;

/** Reports that mail of another process owes wait so long for those that it had stored already, milliseconds. */
const ADOPTED_REPORTS_DELAY_MS = 10_000;

/** How often a drain looks whether the last transaction has ended, milliseconds. */
const DRAIN_CHECK_MS = 20;
/** After the grace of a drain: time for cut sessions to be seen cut by their peers and for the last outcomes to reach a store that works. */
const AFTER_GRACE_MS = 2 * DESTROY_GRACE_MS;

/** A selector without what is known only when a source and a host are chosen. */
function mailPart({ source: _source, mxHost: _mxHost, ...rest }: Selector): Selector {
  return rest;
}

/** Body of `GET /queue`. */
export interface QueueView {
  /** Recipient groups queued in all lanes. */
  readonly entries: number;
  /** The lanes with most mail first. */
  readonly lanes: readonly LaneView[];
}

/** Why a message was not taken; intake answers the client with it. */
export type AcceptRefusal = AppendRefusal | { readonly refused: 'no-pool'; readonly reason: string };

/**
 * The heart of a pod: stores accepted mail, queues it, sends what is due as limits allow, records what became of it.
 *
 * Example: `const dispatcher = new Dispatcher(options); await dispatcher.recover(); await dispatcher.accept(envelope, body);`
 */
export class Dispatcher {
  readonly #context: DispatchContext;
  readonly #spool: Spool;
  readonly #router: Router;
  readonly #lanes: Lanes;
  readonly #tenantLabels: TenantLabels;
  readonly #delays: DelayWatch;
  #generation: Generation;
  #draining = false;
  readonly #poisoned = new PoisonedMail();
  readonly #directives: DirectiveStore;
  #directivesTimer: NodeJS.Timeout | undefined;
  #oweTimer: NodeJS.Timeout | undefined;

  constructor(options: DispatcherOptions) {
    this.#spool = options.spool;
    this.#router = options.router;
    this.#tenantLabels = options.tenantLabels;
    this.#directives = options.directives;
    this.#generation = newGeneration(
      1,
      options.config,
      options.directives.set,
      options.router,
      options.tenantLabels,
    );
    options.directives.onChange = () => this.#directivesChanged();
    const queue = createQueue({
      classPriority: options.classPriority,
      onReady: (lane) => this.#lanes.ready(lane),
      onExpired: (entry) => this.#lanes.expired(entry),
    });
    const reports = options.reports ?? NO_REPORTS;
    const journal = new OutcomeJournal(options.spool, {
      eventsStored: () => options.report.stored(),
      onRoom: () => this.#lanes.journalHasRoom(),
      onError: (error) => options.report.journalError(error),
      onFault: (error) => options.report.fault(error),
      onMismatch: (count) => options.report.mismatch(count),
    });
    const resident = new ResidentMessages(options.spool, options.residentBytes);
    const tracked = new TrackedGroups();
    this.#context = {
      ...options,
      queue,
      shaper: options.createShaper({
        onSlotWanted: (key, elsewhere) => this.#lanes.wantSlot(key.id, elsewhere),
        onSlotServed: (key) => this.#lanes.slotServed(key.id),
        onArrived: () => this.#lanes.armSoon(),
      }),
      journal,
      resident,
      partial: new PartialGroups(),
      lastReplies: new LastReplies(),
      reports,
      tracked,
      desk: new ReportDesk({
        options: reports,
        submit: reports.submit ?? ((envelope, body) => this.accept(envelope, body)),
        tracked,
        journal,
        resident,
        spool: options.spool,
        report: options.report,
        clock: options.clock,
        draining: () => this.#draining,
      }),
      readEnvelope: async (reference) => (await options.spool.read(reference))?.envelope,
      expireAtMs: (envelope, domain) =>
        this.#expireAtMs(envelope, this.#generation.poolChoice.poolFor(envelope, domain), domain),
      held: new HeldMail({
        queue,
        clock: options.clock,
        signing: options.signing,
        onFault: (error) => options.report.fault(error),
      }),
      reactions: new ReactionDesk({ hits: new OwnHits(), ...options }),
      retryFor: (pool, domain) =>
        this.#generation.pools.has(pool)
          ? effectivePolicy(this.#generation.config, pool, domain, []).retry
          : DEFAULT_RETRY,
      generation: () => this.#generation,
      draining: () => this.#draining,
    };
    this.#lanes = new Lanes(this.#context);
    this.#delays = new DelayWatch(this.#context);
  }

  /** Stores a message and queues it. Resolves with `undefined` once it is durable, or with why it was not taken. */
  async accept(envelope: Envelope, body: MessageBody): Promise<AcceptRefusal | undefined> {
    for (const group of recipientGroups(envelope)) {
      if (this.#generation.poolChoice.poolFor(envelope, group.domain) !== '') continue;
      return {
        refused: 'no-pool',
        reason: `no egress pool matches mail from <${envelope.sender}> to ${group.domain}`,
      };
    }
    const stored = await this.#spool.append(envelope, body);
    if ('refused' in stored) return stored;
    this.#context.report.accepted(envelope);
    const message = this.#context.resident.add(stored, envelope, body);
    for (const group of message.groups) this.#enqueue(stored, envelope, group, undefined);
    return undefined;
  }

  /** Queues everything that the store holds from before. Call once, before mail is accepted. */
  async recover(onProgress?: (messages: number) => void): Promise<number> {
    let messages = 0;
    let recovered = false;
    await this.#spool.follow({
      onMail: (stored) => {
        this.#requeue(stored);
        messages++;
        if (recovered) this.#oweSoon();
        else if (messages % 10_000 === 0) onProgress?.(messages);
      },
      onGone: (parts, how) => this.#partsGone(parts, how),
      onHeld: (message) => {
        this.#poisoned.add(message, this.#context.clock.nowMs());
        this.#context.report.held(message);
      },
    });
    recovered = true;
    // Only now is it known which reports are stored already.
    this.#oweAll();
    return messages;
  }

  #oweAll(): void {
    for (const tracked of this.#context.tracked) {
      if (tracked.state?.owed !== undefined) this.#context.desk.due(tracked);
    }
  }

  /** Mail of another process owes reports that it may have stored in a part that comes later: they are looked for first. */
  #oweSoon(): void {
    if (this.#oweTimer !== undefined || this.#draining) return;
    this.#oweTimer = setTimeout(() => {
      this.#oweTimer = undefined;
      if (!this.#draining) this.#oweAll();
    }, ADOPTED_REPORTS_DELAY_MS);
    this.#oweTimer.unref();
  }

  /** Parts of the store are not this process's any more: their mail leaves the queue, and what is in the middle of a transaction leaves it at its end. */
  #partsGone(parts: ReadonlySet<number>, how: PartEnd): void {
    const gone = (sequence: number): boolean => parts.has(this.#spool.partOf(sequence));
    const { queue, resident, partial, tracked } = this.#context;
    queue.removeWhere(gone, how);
    resident.dropWhere(gone);
    tracked.forgetWhere(gone);
    this.#poisoned.forgetWhere(gone);
    if (how === 'lost') {
      partial.deleteWhere(gone);
      this.#lanes.cutCarrying(gone);
    }
    this.#lanes.forgetEmpty();
  }

  /** Puts a new configuration in force at once; open sessions go on where their source and pool did not change. */
  reconfigure(config: EgressConfig): void {
    if (config.hash === this.#generation.config.hash) return;
    const before = this.#generation;
    const { set } = this.#directives;
    this.#generation = newGeneration(before.number + 1, config, set, this.#router, this.#tenantLabels);
    this.#lanes.reconfigured(before);
  }

  /** A storm of replies may change them many times a second: every lane looks at them once for all. */
  #directivesChanged(): void {
    if (this.#directivesTimer !== undefined || this.#draining) return;
    this.#directivesTimer = setTimeout(() => {
      this.#directivesTimer = undefined;
      if (this.#draining) return;
      const before = this.#generation;
      this.#generation = withDirectives(before, this.#directives.set, this.#router);
      this.#lanes.reconfigured(before);
    }, DIRECTIVES_DELAY_MS);
  }

  /** The directives that are obeyed now. */
  get directives(): readonly Directive[] {
    return this.#generation.directives.directives;
  }

  /** Messages that are held because processes ended while they were in flight. */
  poisoned(): readonly PoisonedMessage[] {
    return this.#poisoned.messages();
  }

  /**
   * Sends messages that are held as poison all the same (absent = all of them); resolves with the ids of those that are queued now. What ended three
   * processes may end three more.
   */
  async retryPoisoned(ids: readonly string[] | undefined): Promise<readonly string[]> {
    if (this.#draining) return [];
    const messages = this.#poisoned.retry(ids, this.#context.clock.nowMs());
    await this.#spool.record(retryOutcomes(messages));
    const queued: string[] = [];
    for (const message of messages) {
      const { id } = message.reference;
      if (!this.#poisoned.release(id)) continue;
      this.#requeue(message);
      queued.push(id);
    }
    return queued;
  }

  /** How much queued mail any of these selectors chooses, Source and MxHost left out: for a rehearsal. */
  chosenBy(selectors: readonly Selector[]): { readonly groups: number; readonly recipients: number } {
    const { queue } = this.#context;
    const parts = selectors.map(mailPart);
    let groups = 0;
    let recipients = 0;
    for (const lane of queue.lanes()) {
      for (const unit of queue.unitsOf(lane)) {
        const facts = unitFacts(this.#generation, queue.unitKey(unit));
        if (!parts.some((part) => selects(part, facts))) continue;
        const counts = queue.unitCounts(unit);
        groups += counts.ready + counts.asleep + counts.waiting + counts.taken;
        recipients += counts.recipients;
      }
    }
    return { groups, recipients };
  }

  /** Destroys every connection at once, in the middle of messages too: other pods count this one out and use its limits. */
  fence(): void {
    for (const lane of this.#lanes.busy()) if (lane instanceof LaneDriver) lane.fence();
  }

  /** Stops: no new transaction, open ones end within `graceMs`, outcomes are recorded, sessions closed. */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    clearTimeout(this.#oweTimer);
    this.#delays.close();
    this.#context.desk.close();
    this.#directives.onChange = undefined;
    clearTimeout(this.#directivesTimer);
    this.#lanes.stopTimer();
    this.#context.held.close();
    for (const [, lane] of this.#lanes.all()) lane.close();
    // First of all: others go on with what is queued while transactions end here.
    let released = false;
    this.#spool
      .release()
      .catch((error) => this.#context.report.storeError(error))
      .finally(() => {
        released = true;
      });
    const untilMs = this.#context.clock.nowMs() + graceMs;
    await this.#until(() => this.#lanes.busy().length === 0, untilMs);
    for (const lane of this.#lanes.busy()) if (lane instanceof LaneDriver) lane.destroy();
    // What was cut still settles: its deferral is recorded too.
    const lastMs = Math.max(untilMs, this.#context.clock.nowMs()) + AFTER_GRACE_MS;
    await this.#until(() => this.#lanes.busy().length === 0 && this.#context.desk.idle, lastMs);
    await this.#until(() => this.#context.journal.unjournalled === 0, lastMs);
    await this.#until(() => released, lastMs);
    this.#context.journal.close();
  }

  /** Recipient groups that are queued. */
  get queued(): number {
    return this.#context.queue.size;
  }

  /** The `limit` lanes with most mail, and how much there is in all. */
  view(limit: number): QueueView {
    const lanes = [...this.#context.queue.lanes()].map((id) =>
      laneView(this.#context, id, this.#lanes.find(id)),
    );
    const mail = (lane: LaneView): number => lane.ready + lane.asleep + lane.waiting + lane.inFlight;
    lanes.sort((a, b) => mail(b) - mail(a) || b.connections - a.connections);
    return { entries: this.#context.queue.size, lanes: lanes.slice(0, limit) };
  }

  /** Lanes of these sites and those with most mail and most connections, most first; with the connections that they may have. */
  activity(sites: ReadonlySet<string>): readonly LaneActivity[] {
    return laneActivities(this.#context, (id) => this.#lanes.find(id), sites);
  }

  /** What is queued, added up by lane, tenant or domain. Visits every entry: a million take about 50 ms. */
  listing(by: ListingKey, filter: ListingFilter): readonly ListingRow[] {
    return queueListing(this.#listedUnits(), by, filter);
  }

  /** What stands between mail of one kind and its host. A route that is not known is looked up, for at most `withinMs`. */
  mailView(question: MailQuestion, withinMs: number): Promise<MailView> {
    return viewMail(this.#context, (id) => this.#lanes.find(id), question, withinMs);
  }

  *#listedUnits(): Generator<ListedUnit> {
    const { queue } = this.#context;
    for (const id of queue.lanes()) {
      const lane = this.#lanes.find(id);
      const { site } = queue.laneKey(id);
      for (const unit of queue.unitsOf(id)) {
        yield {
          key: queue.unitKey(unit),
          site,
          counts: queue.unitCounts(unit),
          lastReply: lane?.lastReply === undefined ? '' : replyLine(lane.lastReply),
          lastReplyAtMs: lane?.lastReplyAtMs ?? 0,
        };
      }
    }
  }

  /** For metrics. */
  gauges(): QueueGauges {
    const { queue, clock } = this.#context;
    const { ready, asleep, waiting, taken } = queue.counts;
    let lanes = 0;
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const lane of queue.lanes()) {
      lanes++;
      const { oldestAcceptedAtMs } = queue.laneCounts(lane);
      if (oldestAcceptedAtMs > 0) oldestMs = Math.min(oldestMs, oldestAcceptedAtMs);
    }
    return {
      ready,
      sleeping: asleep,
      scheduled: waiting,
      inFlight: taken,
      reportsOwed: this.#context.desk.waiting,
      held: this.#context.held.size,
      lanes,
      oldestAgeMs: oldestMs === Number.POSITIVE_INFINITY ? 0 : Math.max(0, clock.nowMs() - oldestMs),
    };
  }

  async #until(condition: () => boolean, untilMs: number): Promise<void> {
    while (!condition() && this.#context.clock.nowMs() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_CHECK_MS));
    }
  }

  #requeue(stored: StoredMessage): void {
    const { reference, envelope } = stored;
    const { tracked, desk, lastReplies } = this.#context;
    if (isReport(envelope)) desk.found(envelope.id);
    for (const group of recipientGroups(envelope)) {
      if (!stored.live.has(group.group)) continue;
      const state = stored.live.get(group.group);
      if (state?.owed !== undefined || state?.toldOfDelay === true) {
        tracked.track(reference, group.group, envelope.acceptedAtMs).state = state;
      }
      // Nothing of it is sent any more, only told.
      if (state?.pending.length === 0) continue;
      if (state?.lastReply !== undefined) lastReplies.set(reference.sequence, group.group, state.lastReply);
      if (state !== undefined && state.pending.length < group.recipients.length) {
        this.#context.partial.set(reference.sequence, group.group, {
          untried: state.pending,
          deferred: [],
        });
      }
      this.#enqueue(reference, envelope, group, state);
    }
  }

  #enqueue(
    reference: Reference,
    envelope: Envelope,
    group: RecipientGroup,
    state: GroupState | undefined,
  ): void {
    const { queue, held } = this.#context;
    const nowMs = this.#context.clock.nowMs();
    this.#delays.watch(reference, envelope, group, state);
    const pool = this.#poolFor(envelope, group.domain);
    const preferSame = this.#generation.pools.get(pool)?.selection.onRetry === 'PreferSameSource';
    const unit = queue.unitOf(
      {
        pool,
        domain: group.domain,
        tenant: envelope.tenant,
        campaign: envelope.campaign,
        class: envelope.class,
        preferredSource: preferSame ? (state?.lastSource ?? '') : '',
      },
      this.#lanes.laneFor(pool, group.domain),
    );
    const dueAtMs = Math.max(envelope.notBeforeMs, state?.nextAttemptAtMs ?? 0);
    // What has another reason to wait is signed, or held, when its time has come.
    const missingKey = dueAtMs > nowMs ? undefined : envelope.awaitsSignature;
    const entry: NewEntry = {
      sequence: reference.sequence,
      idCheck: idCheck(reference.id),
      group: group.group,
      acceptedAtMs: envelope.acceptedAtMs,
      dueAtMs: missingKey === undefined ? dueAtMs : held.retryAtMs(),
      expireAtMs: this.#expireAtMs(envelope, pool, group.domain),
      attempts: state?.attempts ?? 0,
      recipients: state?.pending.length ?? group.recipients.length,
      sizeBytes: envelope.sizeBytes,
    };
    const made = queue.insert(unit, entry, nowMs);
    if (missingKey !== undefined) held.hold(made, missingKey);
    if (entry.dueAtMs > nowMs) this.#lanes.arm();
    else this.#lanes.ready(queue.laneOf(unit));
    this.#lanes.obeyDirectives(unit);
  }

  /** The pool that matches, or the one that a directive sends its mail through. */
  #poolFor(envelope: Envelope, domain: string): string {
    const pool = this.#generation.poolChoice.poolFor(envelope, domain);
    const { tenant, campaign } = envelope;
    const key = { pool, domain, tenant, campaign, class: envelope.class, preferredSource: '' };
    const order = unitOrder(this.#generation, key);
    return order.kind === 'reroute' ? order.pool : pool;
  }

  #expireAtMs(envelope: Envelope, pool: string, domain: string): number {
    if (envelope.expireAtMs > 0) return envelope.expireAtMs;
    const destination = this.#generation.destinations.peek(pool, domain);
    const retry =
      destination !== undefined && 'policy' in destination
        ? destination.policy.retry
        : this.#context.retryFor(pool, domain);
    return Math.max(envelope.acceptedAtMs, envelope.notBeforeMs) + retry.expireAfterMs;
  }
}
