import { dirname, join } from 'node:path';
import type { Logger, Settings } from '../config/mod.ts';
import { type Cluster, openJetStreamSpool, openSqliteSpool, type Spool } from '../spool/mod.ts';

/** Beside the spool: the resources as they last were in order. */
const LAST_GOOD_FILE = 'resources-last-good.json';

/** The store of a pod, and what the rest of the pod must know of it. */
export interface PodSpool {
  readonly spool: Spool;
  /** Below so much room mail is refused as insufficient storage, and the pod is not ready. */
  readonly minFreeBytes: number;
  /** Absent = nothing is kept on this machine. */
  readonly lastGoodFile?: string;
  /** Who shares the store; absent = nobody can. */
  readonly cluster?: Cluster;
}

/** Above this share of the streams' room mail is refused: outcomes and what is on its way need the rest (DESIGN §4.2). */
const HIGH_WATER_SHARE = 0.85;

/** Opens the store that the settings name. */
export async function openPodSpool(
  { spool: settings, hostname }: Settings,
  logger: Logger,
): Promise<PodSpool> {
  if (settings.type === 'SQLite') {
    return {
      spool: await openSqliteSpool(settings),
      minFreeBytes: settings.minFreeBytes,
      lastGoodFile: join(dirname(settings.path), LAST_GOOD_FILE),
    };
  }
  const spool = await openJetStreamSpool({
    ...settings,
    name: `sluice ${hostname}`,
    onNotice: (text, facts) => logger.warn(facts, text),
  });
  spool.cluster.tell({ host: hostname });
  return {
    spool,
    cluster: spool.cluster,
    minFreeBytes: Math.floor(settings.maxBytes * (1 - HIGH_WATER_SHARE)),
  };
}
