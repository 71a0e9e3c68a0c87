import type { Logger, ResourceState, Settings } from '../config/mod.ts';
import {
  answerQuestions,
  type PodState,
  type QuestionAnswers,
  type ReadinessCheck,
  readiness,
} from '../control/mod.ts';
import { newMessageId, openNats, type Spool } from '../spool/mod.ts';

export interface PodStateParts {
  readonly hostname: string;
  readonly version: string;
  readonly spool: Spool;
  readonly checks: readonly ReadinessCheck[];
  readonly resources: () => ResourceState;
  /** Recipient groups that are queued. */
  readonly groups: () => number;
  readonly draining: () => boolean;
}

/** What a pod says of itself, made anew at every call. */
export function podStateOf({
  hostname,
  version,
  spool,
  checks,
  resources,
  groups,
  draining,
}: PodStateParts): () => Promise<PodState> {
  const startedAtMs = Date.now() - process.uptime() * 1000;
  // A store that nobody shares has no sessions.
  const ownName = newMessageId(Math.floor(startedAtMs));
  return async () => {
    const { ready, checks: results } = await readiness(checks);
    const { hash, generation, loadedAtMs } = resources();
    const membership = spool.membership?.();
    return {
      session: membership?.session ?? ownName,
      host: hostname,
      version,
      startedAt: new Date(startedAtMs).toISOString(),
      state: draining() ? 'Draining' : ready ? 'Ready' : 'NotReady',
      troubles: results.filter(({ status }) => status !== 'ok').map(({ name }) => name),
      configHash: hash,
      ...(generation !== undefined && { generation }),
      configSince: new Date(loadedAtMs).toISOString(),
      groups: groups(),
      messages: spool.usage().messages,
      ...(membership !== undefined && { segments: membership.segments }),
      ...(membership?.renewalAgeMs !== undefined && { renewalAgeMs: Math.round(membership.renewalAgeMs) }),
    };
  };
}

/** Lets this pod answer questions to all pods; resolves with what ends that. Without NATS nobody asks. */
export async function joinQuestions(
  { spool: settings, hostname }: Settings,
  spool: Spool,
  answers: Pick<QuestionAnswers, 'pod' | 'listing'>,
  logger: Logger,
): Promise<() => Promise<void>> {
  if (settings.type === 'SQLite') return async () => {};
  const connection = await openNats({
    ...settings,
    inboxPrefix: `${settings.prefix}.inbox`,
    name: `sluice ${hostname} questions`,
  });
  answerQuestions(connection, settings.prefix, {
    ...answers,
    living: () => spool.membership?.().living,
    logger,
  });
  return () => connection.close();
}
