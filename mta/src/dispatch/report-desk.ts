import { type ReportRules, writeStatusReport } from '../report/mod.ts';
import {
  derivedMessageId,
  type Envelope,
  type GroupState,
  type MessageBody,
  type OwedReport,
  type Spool,
} from '../spool/mod.ts';
import type { DispatchReport } from './attempt-report.ts';
import type { Clock } from './clock.ts';
import type { AcceptRefusal } from './dispatcher.ts';
import type { OutcomeJournal } from './outcome-journal.ts';
import type { ResidentMessage, ResidentMessages } from './resident-messages.ts';
import { owedBy, type TrackedGroup, type TrackedGroups } from './tracked-groups.ts';

/** Reports that are written and stored side by side: enough for one commit to serve several. */
export const REPORTS_AT_ONCE = 16;
/** Groups that wait for their report in memory, about a kilobyte each; of more the store alone knows until these are told. */
export const MAX_WAITING_REPORTS = 10_000;
/** Pause before reports are offered again to a store that did not take one, milliseconds. */
export const REPORT_RETRY_MS = 5_000;
/** Messages that wait for their report in memory instead of being read back from the store: so many, and no larger ones, octets. */
const KEPT_MESSAGES = 64;
const KEPT_BYTES = 256 * 1024;

/** How reports are made, and how they leave. */
export interface ReportOptions {
  readonly rules: ReportRules;
  /** The MTA that reports. */
  readonly hostname: string;
  /** Address in From. */
  readonly from: string;
  /** A larger message is not returned whole, octets. */
  readonly maxReturnedBytes: number;
  /** Time after which a delay is reported, milliseconds. */
  readonly delayedAfterMs: number;
  /** Takes a report as any other message; resolves as `Dispatcher.accept` does. Absent = that. */
  readonly submit?: SubmitReport;
  /** Default {@link REPORT_RETRY_MS}. */
  readonly retryMs?: number;
  /** Default {@link MAX_WAITING_REPORTS}. */
  readonly maxWaiting?: number;
}

export type SubmitReport = (envelope: Envelope, body: MessageBody) => Promise<AcceptRefusal | undefined>;

export interface ReportDeskParts {
  readonly options: Omit<ReportOptions, 'submit'>;
  readonly submit: SubmitReport;
  readonly tracked: TrackedGroups;
  readonly journal: OutcomeJournal;
  readonly resident: ResidentMessages;
  readonly spool: Pick<Spool, 'read' | 'replay'>;
  readonly report: DispatchReport;
  readonly clock: Clock;
  readonly draining: () => boolean;
}

/**
 * Writes the reports that groups owe and stores them. What is owed is durable before it comes here and is taken back only after
 * the report is, so no report is lost; and a report has the same id whenever it is written, so one that was stored already is not
 * stored again.
 */
export class ReportDesk {
  readonly #parts: ReportDeskParts;
  readonly #line: TrackedGroup[] = [];
  readonly #stored = new Set<string>();
  #busy = 0;
  #kept = 0;
  #pause: NodeJS.Timeout | undefined;
  /** Some groups that owe a report are known to the store alone. */
  #more = false;
  #looking = false;

  constructor(parts: ReportDeskParts) {
    this.#parts = parts;
  }

  /** No report is being written. */
  get idle(): boolean {
    return this.#busy === 0;
  }

  /** Groups that wait for their report. */
  get waiting(): number {
    return this.#line.length + this.#busy;
  }

  /** A report of an earlier process is in the store: it is not stored again. To be said before {@link due}. */
  found(id: string): void {
    this.#stored.add(id);
  }

  /**
   * What the group owes is durable: it is told as soon as may be. The message is passed where it is at hand. Nothing happens when all was told
   * meanwhile: the group may be followed no longer, and what is known of it here is out of date.
   */
  due(tracked: TrackedGroup, message?: ResidentMessage): void {
    if (tracked.inLine || owedBy(tracked).length === 0) return;
    const { maxWaiting = MAX_WAITING_REPORTS } = this.#parts.options;
    if (this.#line.length >= maxWaiting && tracked.state?.pending.length === 0 && !tracked.reporting) {
      // The store takes no reports for long. What is still to be sent must keep what it owes at hand, this need not.
      this.#parts.tracked.forget(tracked);
      tracked.state = undefined;
      this.#more = true;
      return;
    }
    tracked.inLine = true;
    this.#line.push(tracked);
    if (message !== undefined && this.#kept < KEPT_MESSAGES && message.bytes <= KEPT_BYTES) {
      tracked.message = message;
      this.#kept++;
    }
    this.#start();
  }

  close(): void {
    clearTimeout(this.#pause);
  }

  #start(): void {
    if (this.#looking) return;
    while (this.#busy < REPORTS_AT_ONCE && this.#pause === undefined && !this.#parts.draining()) {
      const tracked = this.#line.shift();
      if (tracked === undefined) {
        if (this.#more && this.#busy === 0) void this.#lookForMore();
        return;
      }
      tracked.inLine = false;
      const { message } = tracked;
      tracked.message = undefined;
      if (message !== undefined) this.#kept--;
      // Whoever writes it looks again when he is done.
      if (tracked.reporting) continue;
      tracked.reporting = true;
      this.#busy++;
      this.#tell(tracked, message)
        .catch((error) => {
          this.#parts.report.fault(error);
          this.#sleep();
          return false;
        })
        .then((told) => {
          tracked.reporting = false;
          this.#busy--;
          if (!told || owedBy(tracked).length > 0) this.due(tracked);
          this.#start();
        });
    }
  }

  /** Takes groups that only the store knows back into the line. Nothing is told meanwhile, so what the store says holds. */
  async #lookForMore(): Promise<void> {
    const { journal, spool, tracked, options, report } = this.#parts;
    const { maxWaiting = MAX_WAITING_REPORTS } = options;
    this.#looking = true;
    this.#more = false;
    try {
      await journal.drained();
      for await (const { reference, envelope, live } of spool.replay()) {
        for (const [group, state] of live) {
          if (state?.owed === undefined || state.pending.length > 0) continue;
          if (tracked.get(reference.sequence, group) !== undefined) continue;
          if (this.#line.length >= maxWaiting) {
            this.#more = true;
            return;
          }
          const found = tracked.track(reference, group, envelope.acceptedAtMs);
          found.state = state;
          this.due(found);
        }
      }
    } catch (error) {
      report.storeError(error);
      this.#more = true;
      this.#sleep();
    } finally {
      this.#looking = false;
      this.#start();
    }
  }

  /** Resolves `false` when it must be tried again. */
  async #tell(tracked: TrackedGroup, kept: ResidentMessage | undefined): Promise<boolean> {
    const owed = owedBy(tracked);
    if (owed.length > 0) {
      const message = kept ?? (await this.#load(tracked));
      if (message === 'unreadable') return false;
      if (message === undefined) {
        this.#parts.report.mismatch(tracked.reference.sequence);
        this.#parts.tracked.forget(tracked);
        tracked.state = undefined;
        return true;
      }
      if (!(await this.#submit(tracked, message.envelope, message.body, owed))) return false;
    }
    this.#settle(tracked, owed.length);
    return true;
  }

  async #load({ reference }: TrackedGroup) {
    const { resident, spool, report } = this.#parts;
    const present = resident.peek(reference.sequence);
    if (present !== undefined && present.reference.id === reference.id) return present;
    try {
      return await spool.read(reference);
    } catch (error) {
      report.storeError(error);
      this.#sleep();
      return 'unreadable' as const;
    }
  }

  async #submit(
    { group }: TrackedGroup,
    envelope: Envelope,
    body: MessageBody,
    owed: readonly OwedReport[],
  ): Promise<boolean> {
    const { options, submit, report, clock } = this.#parts;
    const id = reportId(envelope.id, group, owed);
    const nowMs = clock.nowMs();
    if (this.#stored.delete(id)) {
      // The process that stored it may have ended before its event was stored.
      report.reported({ envelope, reportId: id, owed, nowMs });
      return true;
    }
    const recipients = owed.flatMap(({ recipients, ...fact }) =>
      recipients.map((index) => ({
        address: envelope.recipients[index] ?? '',
        originalRecipient: envelope.statusRequest?.recipients[index]?.originalRecipient ?? '',
        ...fact,
      })),
    );
    const { hostname, from, maxReturnedBytes } = options;
    const written = writeStatusReport({
      id,
      hostname,
      from,
      nowMs,
      envelope,
      body,
      recipients,
      maxReturnedBytes,
    });
    const refusal = await submit(written.envelope, written.body);
    if (refusal === undefined) {
      report.reported({ envelope, reportId: id, owed, nowMs });
      return true;
    }
    if (refusal.refused === 'no-pool') {
      report.unreported({ envelope, owed, reason: refusal.reason, nowMs });
      return true;
    }
    report.reportDelayed(refusal.reason);
    this.#sleep();
    return false;
  }

  /** The first `told` facts that the group owed are told. What is owed only grows at its end. */
  #settle(tracked: TrackedGroup, told: number): void {
    const { journal, tracked: groups } = this.#parts;
    const { reference, group, state } = tracked;
    if (state === undefined) return;
    const { owed = [], ...bare } = state;
    const rest = owed.slice(told);
    if (rest.length === 0 && state.pending.length === 0) {
      groups.forget(tracked);
      tracked.state = undefined;
      journal.add({ kind: 'done', reference, group });
      return;
    }
    const next: GroupState = rest.length === 0 ? bare : { ...bare, owed: rest };
    tracked.state = next;
    journal.add({ kind: 'deferred', reference, group, state: next });
    const watched = tracked.warnAtMs !== Number.POSITIVE_INFINITY || next.toldOfDelay === true;
    if (rest.length === 0 && !watched) groups.forget(tracked);
  }

  #sleep(): void {
    this.#pause ??= setTimeout(() => {
      this.#pause = undefined;
      this.#start();
    }, this.#parts.options.retryMs ?? REPORT_RETRY_MS).unref();
  }
}

/** The same facts of the same group give the same report. */
export function reportId(messageId: string, group: number, owed: readonly OwedReport[]): string {
  const facts = owed.map(({ action, recipients, atMs }) => `${action} ${recipients.join()} ${atMs}`);
  return derivedMessageId(owed[0]?.atMs ?? 0, `report on ${messageId} ${group}\n${facts.join('\n')}`);
}
