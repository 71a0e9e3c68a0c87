import type { Socket } from 'node:net';
import type { EffectiveRetry, SourceConfig } from '@sluice/crds';
import type { OpenSession } from '../deliver/mod.ts';
import type { Queue } from '../queue/mod.ts';
import type { Router } from '../route/mod.ts';
import type { Shaper } from '../shape/mod.ts';
import type { DispatchReport } from './attempt-report.ts';
import type { Clock } from './clock.ts';
import type { Generation } from './generation.ts';
import type { HeldMail, HeldSigning } from './held-mail.ts';
import type { OutcomeJournal } from './outcome-journal.ts';
import type { PartialGroups } from './partial-groups.ts';
import type { TenantLabels } from './pool-choice.ts';
import type { ResidentMessages } from './resident-messages.ts';

/** What a lane needs from the rest of the pod. */
export interface DispatchContext {
  readonly clock: Clock;
  readonly random: () => number;
  readonly queue: Queue;
  readonly shaper: Shaper;
  readonly router: Router;
  readonly journal: OutcomeJournal;
  readonly resident: ResidentMessages;
  readonly partial: PartialGroups;
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
  readonly tenantLabels: TenantLabels;
  readonly classPriority: (name: string) => number;
  /** Retry of mail whose route is not known: what policies say for its domain without an MX. */
  readonly retryFor: (pool: string, domain: string) => EffectiveRetry;
  /** The configuration in force. */
  generation(): Generation;
  /** `true` while the pod ends: no new transaction. */
  draining(): boolean;
}
