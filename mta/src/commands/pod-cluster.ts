import type { PodFacts } from '@sluice/crds';
import type { Logger, ResourceState, Settings } from '../config/mod.ts';
import {
  answerQuestions,
  askPods,
  type ChosenAnywhere,
  type PodState,
  type QuestionAnswers,
  type ReadinessCheck,
  readiness,
} from '../control/mod.ts';
import type { Selector } from '../react/mod.ts';
import type { NodeState } from '../shape/mod.ts';
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
  /** `undefined` = limits are this pod's own. */
  readonly limits: () => NodeState | undefined;
}

/** What the session of a pod says of the configuration in force. */
export function configFacts({
  hash,
  generation,
  configSet,
}: ResourceState): Pick<PodFacts, 'configHash' | 'generation' | 'configSet'> {
  return {
    configHash: hash,
    ...(generation !== undefined && { generation }),
    ...(configSet !== undefined && { configSet }),
  };
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
  limits,
}: PodStateParts): () => Promise<PodState> {
  const startedAtMs = Date.now() - process.uptime() * 1000;
  // A store that nobody shares has no sessions.
  const ownName = newMessageId(Math.floor(startedAtMs));
  return async () => {
    const { ready, checks: results } = await readiness(checks);
    const { hash, generation, loadedAtMs } = resources();
    const membership = spool.membership?.();
    const shared = limits();
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
      ...(shared !== undefined && { limits: limitsOf(shared) }),
    };
  };
}

function limitsOf({ session, held, degradedShards, ledShards }: NodeState): NonNullable<PodState['limits']> {
  return { session, mode: held ? 'Held' : degradedShards > 0 ? 'Degraded' : 'Shared', ledShards };
}

/** Questions to all pods: this one answers them, and asks. */
export interface Questions {
  /** How much queued mail any of these selectors chooses, on all pods; without NATS there is one. */
  chosenBy(selectors: readonly Selector[]): Promise<ChosenAnywhere>;
  close(): Promise<void>;
}

/** Lets this pod answer questions to all pods, and ask them. Without NATS nobody else is there. */
export async function joinQuestions(
  { spool: settings, hostname }: Settings,
  spool: Spool,
  answers: Pick<QuestionAnswers, 'pod' | 'listing' | 'chosenBy' | 'mail' | 'activity' | 'poison'>,
  logger: Logger,
): Promise<Questions> {
  const alone = (selectors: readonly Selector[], silent: readonly string[]): ChosenAnywhere => ({
    ...answers.chosenBy(selectors),
    pods: 1,
    silent,
  });
  if (settings.type === 'SQLite') {
    return { chosenBy: async (selectors) => alone(selectors, []), close: async () => {} };
  }
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
  return {
    async chosenBy(selectors) {
      try {
        const { answers: all, silent } = await askPods(connection, settings.prefix, {
          ask: 'Chosen',
          selectors: [...selectors],
        });
        const told = all.flatMap(({ chosen }) => chosen ?? []);
        const failed = all.filter(({ chosen }) => chosen === undefined).map(({ session }) => session);
        return {
          groups: told.reduce((sum, { groups }) => sum + groups, 0),
          recipients: told.reduce((sum, { recipients }) => sum + recipients, 0),
          pods: told.length,
          silent: [...silent, ...failed],
        };
      } catch (error) {
        return alone(selectors, [
          `all other pods (${error instanceof Error ? error.message : String(error)})`,
        ]);
      }
    },
    close: () => connection.close(),
  };
}
