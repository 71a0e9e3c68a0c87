import type { Socket } from 'node:net';
import type { EffectiveRetry, SourceConfig } from '@sluice/crds';
import type { OpenSession } from '../deliver/mod.ts';
import type { Queue } from '../queue/mod.ts';
import type { Router } from '../route/mod.ts';
import type { Shaper } from '../shape/mod.ts';
import type { Envelope, Reference, Spool } from '../spool/mod.ts';
import type { DispatchReport } from './attempt-report.ts';
import type { Clock } from './clock.ts';
import type { Generation } from './generation.ts';
import type { HeldMail, HeldSigning } from './held-mail.ts';
import type { LastReplies } from './last-replies.ts';
import type { OutcomeJournal } from './outcome-journal.ts';
import type { PartialGroups } from './partial-groups.ts';
import type { TenantLabels } from './pool-choice.ts';
import type { ReactionDesk } from './reaction-desk.ts';
import type { ReportDesk, ReportOptions } from './report-desk.ts';
import type { ResidentMessages } from './resident-messages.ts';
import type { TrackedGroups } from './tracked-groups.ts';

/** What a lane needs from the rest of the pod. */
export interface DispatchContext {
  readonly clock: Clock;
  readonly random: () => number;
  readonly queue: Queue;
  readonly shaper: Shaper;
  readonly router: Router;
  readonly journal: OutcomeJournal;
  readonly spool: Pick<Spool, 'begin' | 'abandon'>;
  readonly resident: ResidentMessages;
  readonly partial: PartialGroups;
  readonly lastReplies: LastReplies;
  readonly reports: ReportOptions;
  readonly tracked: TrackedGroups;
  readonly desk: ReportDesk;
  /** From the store; `undefined` when it has no such message. */
  readonly readEnvelope: (reference: Reference) => Promise<Envelope | undefined>;
  readonly held: HeldMail;
  /** Absent = nothing is ever signed. */
  readonly signing?: HeldSigning;
  readonly openSession: OpenSession;
  readonly dial: (
    source: SourceConfig,
    address: string,
    port: number,
    timeoutMs: number,
    signal: AbortSignal,
  ) => Promise<Socket>;
  readonly report: DispatchReport;
  readonly reactions: ReactionDesk;
  readonly tenantLabels: TenantLabels;
  readonly classPriority: (name: string) => number;
  /** Retry of mail whose route is not known: what policies say for its domain without an MX. */
  readonly retryFor: (pool: string, domain: string) => EffectiveRetry;
  /** Wall time at which Sluice gives up on recipients of this domain, milliseconds. */
  readonly expireAtMs: (envelope: Envelope, domain: string) => number;
  /** The configuration in force. */
  generation(): Generation;
  /** `true` while the pod ends: no new transaction. */
  draining(): boolean;
}
