import { isReported, mayReportDelay } from '../report/mod.ts';
import type { Envelope, GroupState, RecipientGroup, Reference, Reply } from '../spool/mod.ts';
import { recipientGroups } from '../spool/mod.ts';
import type { DispatchContext } from './dispatch-context.ts';
import type { TrackedGroup } from './tracked-groups.ts';

/** How often late mail is looked for, at most and at least, milliseconds; between them it is a twentieth of `delayedAfter`. */
const SWEEP_AT_LEAST_EVERY_MS = 30_000;
const SWEEP_AT_MOST_EVERY_MS = 50;
/** Pause before a message that could not be read is looked at again, milliseconds. */
const AGAIN_MS = 60_000;

const NOT_TRIED: Reply = {
  code: 451,
  enhanced: '4.4.0',
  text: 'the message waits in the queue, no attempt was made yet',
  host: '',
};

/**
 * Watches mail whose sender wants to know that it is late, also while nothing is tried (a site that is down is tried with one
 * message). Each group is told of once; that it was is durable.
 */
export class DelayWatch {
  readonly #context: DispatchContext;
  #timer: NodeJS.Timeout | undefined;

  constructor(context: DispatchContext) {
    this.#context = context;
  }

  /** A message was queued, new or from the store. `state` as in {@link GroupState}. */
  watch(
    reference: Reference,
    envelope: Envelope,
    group: RecipientGroup,
    state: GroupState | undefined,
  ): void {
    const { rules, delayedAfterMs } = this.#context.reports;
    if (state?.toldOfDelay === true || !mayReportDelay(rules, envelope)) return;
    if (!group.recipients.some((recipient) => isReported(rules, envelope, recipient, 'delayed'))) return;
    const tracked = this.#context.tracked.track(reference, group.group, envelope.acceptedAtMs);
    tracked.state = state;
    tracked.warnAtMs = Math.max(envelope.acceptedAtMs, envelope.notBeforeMs) + delayedAfterMs;
    const sweepMs = Math.max(
      SWEEP_AT_MOST_EVERY_MS,
      Math.min(SWEEP_AT_LEAST_EVERY_MS, Math.floor(delayedAfterMs / 20)),
    );
    this.#timer ??= setInterval(() => this.#sweep(), sweepMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #sweep(): void {
    const { tracked, clock, reports, draining } = this.#context;
    if (draining()) return;
    if (tracked.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    const nowMs = clock.nowMs();
    for (const each of tracked) {
      // They came in the order of their acceptance.
      if (each.acceptedAtMs + reports.delayedAfterMs > nowMs) return;
      if (each.warnAtMs > nowMs) continue;
      each.warnAtMs = Number.POSITIVE_INFINITY;
      void this.#warn(each);
    }
  }

  async #warn(tracked: TrackedGroup): Promise<void> {
    const { clock, report, resident, tracked: groups } = this.#context;
    const { reference, group } = tracked;
    try {
      const envelope =
        resident.peek(reference.sequence)?.envelope ?? (await this.#context.readEnvelope(reference));
      // It may have been delivered meanwhile.
      if (envelope === undefined || groups.get(reference.sequence, group) !== tracked) return;
      this.#owe(tracked, envelope, clock.nowMs());
    } catch (error) {
      report.storeError(error);
      tracked.warnAtMs = clock.nowMs() + AGAIN_MS;
    }
  }

  #owe(tracked: TrackedGroup, envelope: Envelope, nowMs: number): void {
    const { journal, desk, reports, expireAtMs } = this.#context;
    const { reference, group } = tracked;
    const members = recipientGroups(envelope)[group];
    if (members === undefined) return;
    const state: GroupState = tracked.state ?? {
      pending: members.recipients,
      attempts: 0,
      nextAttemptAtMs: envelope.notBeforeMs,
      lastSource: '',
    };
    const recipients = state.pending.filter((recipient) =>
      isReported(reports.rules, envelope, recipient, 'delayed'),
    );
    if (recipients.length === 0) return;
    const owing: GroupState = {
      ...state,
      owed: [
        ...(state.owed ?? []),
        {
          action: 'delayed',
          recipients,
          reply: state.lastReply ?? NOT_TRIED,
          atMs: nowMs,
          untilMs: expireAtMs(envelope, members.domain),
        },
      ],
      toldOfDelay: true,
    };
    tracked.state = owing;
    journal.add({ kind: 'deferred', reference, group, state: owing }, () => desk.due(tracked));
  }
}
