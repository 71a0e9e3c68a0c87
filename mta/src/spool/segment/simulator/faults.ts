import type { Cluster } from './cluster.ts';
import type { SimulatedPod } from './pod.ts';

/** What goes wrong: with the whole cluster, or with this one of its pods. */
type Fault = (
  cluster: Cluster,
  pods: readonly SimulatedPod[],
  pod: SimulatedPod,
  newId: () => string,
) => void;

export const FAULTS = {
  /** `kill -9`. */
  kill: (cluster, _, pod) => {
    pod.kill();
    later(cluster, 500, 40_000, () => restart(cluster, pod));
  },
  /** SIGTERM. */
  drain: (cluster, _, pod) => {
    pod.drain();
    later(cluster, 500, 60_000, () => restart(cluster, pod));
  },
  /** SIGSTOP, SIGCONT. What the process was about to publish lies in buffers, and arrives while it stands still. */
  pause: (cluster, _, pod, newId) => {
    const lengthMs = cluster.random.between(500, 60_000);
    for (let count = 0; count < 3; count++) pod.accept(newId(), 1, cluster.random.between(0, lengthMs));
    pod.pause();
    cluster.agenda.after(lengthMs, () => pod.resume(lengthMs, false));
  },
  /** The whole machine sleeps, its monotonic clock with it. */
  sleep: (cluster, _, pod) => {
    const lengthMs = cluster.random.between(2_000, 60_000);
    pod.pause();
    cluster.agenda.after(lengthMs, () => pod.resume(lengthMs, true));
  },
  /** The clock on the wall is set. */
  clock: (cluster, _, pod) => {
    pod.wallOffsetMs += cluster.random.between(-10_000, 10_000);
  },
  partition: (cluster, _, pod) => {
    cluster.partitioned.add(pod.name);
    later(cluster, 500, 60_000, () => {
      cluster.partitioned.delete(pod.name);
      pod.reconnected();
    });
  },
  /** The pod's watch of sessions stands still; everything else works. */
  deaf: (cluster, _, pod) => {
    cluster.deaf.add(pod.name);
    later(cluster, 500, 60_000, () => {
      cluster.deaf.delete(pod.name);
      cluster.reconnected(pod);
    });
  },
  /** NATS is gone for all, or has no leader. */
  outage: (cluster, pods) => outage(cluster, pods, 500, 45_000),
  /** No quorum: what is there can be read. */
  readOnly: (cluster) => {
    cluster.isReadOnly = true;
    later(cluster, 500, 20_000, () => {
      cluster.isReadOnly = false;
    });
  },
  /** SPOOL or DEFER takes nothing more. */
  full: (cluster) => {
    const store = cluster.random.chance(0.5) ? cluster.stores.spool : cluster.stores.defer;
    store.full = true;
    later(cluster, 500, 20_000, () => {
      store.full = false;
    });
  },
  /** The last entries of each stream were never written to a disk. */
  powerLoss: (cluster, pods) => {
    const { random, judge, journal, stores } = cluster;
    cluster.powerLosses++;
    const lost = [
      ...stores.spool.rollBack(random.whole(0, 20)),
      ...stores.defer.rollBack(random.whole(0, 10)),
    ];
    const batches = journal.rollBack(random.whole(0, 10));
    judge.rolledBack([
      ...lost.map(({ payload }) => payload.id),
      ...batches.flatMap(({ payload }) =>
        payload.records.flatMap((record) => {
          if ('inflight' in record) return record.inflight.map(({ place }) => place.id);
          return 'place' in record ? [record.place.id] : [];
        }),
      ),
    ]);
    judge.journalIs(journal.entries);
    outage(cluster, pods, 1_000, 30_000);
  },
} as const satisfies Record<string, Fault>;

export type FaultName = keyof typeof FAULTS;

export const FAULT_NAMES: readonly FaultName[] = [
  'kill',
  'drain',
  'pause',
  'sleep',
  'clock',
  'partition',
  'deaf',
  'outage',
  'readOnly',
  'full',
  'powerLoss',
];

/** A process that ended begins again; one that still drains does so once it has ended. */
export function restart(cluster: Cluster, pod: SimulatedPod): void {
  if (!pod.alive) pod.start();
  else if (pod.draining) cluster.agenda.after(5_000, () => restart(cluster, pod));
}

function outage(cluster: Cluster, pods: readonly SimulatedPod[], fromMs: number, toMs: number): void {
  cluster.isDown = true;
  later(cluster, fromMs, toMs, () => {
    cluster.isDown = false;
    for (const pod of pods) later(cluster, 0, 2_000, () => pod.reconnected());
  });
}

function later(cluster: Cluster, fromMs: number, toMs: number, run: () => void): void {
  cluster.agenda.after(cluster.random.between(fromMs, toMs), run);
}
