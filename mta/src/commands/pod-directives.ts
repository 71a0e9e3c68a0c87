import { dirname, join } from 'node:path';
import type { Logger, Settings } from '../config/mod.ts';
import type { ReadinessCheck } from '../control/mod.ts';
import { monotonicWallClock } from '../dispatch/mod.ts';
import { type DirectiveStore, openFileDirectiveStore, openSharedDirectives } from '../react/mod.ts';
import { Layout } from '../spool/mod.ts';

/** Beside the spool: what is suspended, held, bounced or overridden. */
const DIRECTIVES_FILE = 'directives.json';

/**
 * The directives that a pod obeys: those of all pods on its NATS, or its own. Resolves when all of them are known, so that nothing is sent
 * before.
 *
 * @throws {SluiceError} `SLUICE_NATS_UNREACHABLE`, `_REFUSED`, `_TOO_OLD`, `_UNUSABLE`
 */
export async function openPodDirectives(
  { spool: settings, hostname }: Settings,
  lastGoodFile: string | undefined,
  logger: Logger,
): Promise<DirectiveStore> {
  const nowMs = (): number => monotonicWallClock.nowMs();
  const onError = (what: string, error: unknown): void =>
    logger.error({ reason: error instanceof Error ? error.message : String(error) }, what);
  if (settings.type === 'SQLite') {
    return openFileDirectiveStore({
      ...(lastGoodFile !== undefined && { path: join(dirname(lastGoodFile), DIRECTIVES_FILE) }),
      nowMs,
      onError,
    });
  }
  const layout = new Layout(settings);
  return openSharedDirectives({
    nats: { ...settings, inboxPrefix: layout.inboxPrefix, name: `sluice ${hostname} directives` },
    bucket: layout.directivesBucket,
    replicas: settings.durability === 'Single' ? 1 : 3,
    createBucket: settings.streams === 'Create',
    nowMs,
    onInForce: (directives) => {
      for (const { id, reason } of directives)
        logger.info({ directive: id, reason }, 'a directive is in force');
    },
    onError,
  });
}

/** A pod that cannot hear of new directives obeys those that it knows, and takes mail. */
export function directivesCheck(store: Pick<DirectiveStore, 'set' | 'trouble'>): ReadinessCheck {
  return {
    name: 'directives',
    run() {
      const known = `${store.set.directives.length} are in force`;
      if (store.trouble === undefined) return { status: 'ok', detail: known };
      return {
        status: 'degraded',
        detail: `what others order is not heard (${store.trouble}); ${known} here`,
      };
    },
  };
}
