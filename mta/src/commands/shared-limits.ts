import type { Logger, Settings } from '../config/mod.ts';
import type { CheckResult, ReadinessCheck } from '../control/mod.ts';
import { monotonicWallClock } from '../dispatch/mod.ts';
import { type NodeState, openSharedAllocation, type SharedAllocation } from '../shape/mod.ts';
import { Layout } from '../spool/mod.ts';

/**
 * Limits that all pods on one NATS have together; `undefined` = the store is this pod's own, and so are its limits.
 *
 * @throws {SluiceError} `SLUICE_NATS_UNREACHABLE`, `_REFUSED`, `_TOO_OLD`, `_UNUSABLE`
 */
export async function openSharedLimits(
  { spool: settings, hostname }: Settings,
  logger: Logger,
  onFenced: () => void,
): Promise<SharedAllocation | undefined> {
  if (settings.type === 'SQLite') return undefined;
  const layout = new Layout(settings);
  return openSharedAllocation({
    nats: { ...settings, inboxPrefix: layout.inboxPrefix, name: `sluice ${hostname} limits` },
    prefix: layout.limitsPrefix,
    bucket: layout.limitsBucket,
    replicas: settings.durability === 'Single' ? 1 : 3,
    createBucket: settings.streams === 'Create',
    nowMs: () => monotonicWallClock.nowMs(),
    onFenced,
    onShared: (session) => logger.info({ session }, 'limits are shared with other pods'),
    onNotice: (text, facts) => logger.warn(facts, text),
  });
}

/** A pod that holds, or that a leader does not answer, keeps what it has and takes mail: it is ready all the same. */
export function limitsCheck(state: () => NodeState): ReadinessCheck {
  return { name: 'limits', run: () => limitsResult(state()) };
}

export function limitsResult({ held, degradedShards, ledShards }: NodeState): CheckResult {
  if (held) return { status: 'degraded', detail: 'NATS does not acknowledge: nothing is sent until it does' };
  if (degradedShards > 0) {
    const detail = `${degradedShards} leaders of limits do not answer: what this pod holds is all that it uses`;
    return { status: 'degraded', detail };
  }
  return { status: 'ok', detail: `limits are shared with other pods; this one leads ${ledShards} shards` };
}
