import type { Bounds } from '@sluice/crds';
import { type LimitKey, RATE_NAMES } from '../../limit-key.ts';
import { seededRandom } from '../random.ts';
import type { Spells } from '../simulated-pod.ts';
import { ShardedCluster } from './sharded-cluster.ts';
import type { BrokenRule, ShardedPod } from './sharded-pod.ts';

export interface ScenarioSize {
  readonly pods: number;
  /** Destinations that there are; a hundredth of them has mail. */
  readonly keys: number;
  readonly runMs: number;
  /** At least so many. */
  readonly faults?: number;
  readonly broken?: BrokenRule;
}

/** What came of one seed. */
export interface Verdict {
  readonly violations: readonly string[];
  /** Lanes of pods that nothing happened to, and that waited longer than {@link longestWaitMs} allows. */
  readonly starved: readonly string[];
  /** Part of what {@link BUSY} allows that was used, by up to three pods that have mail for it all the time. */
  readonly utilisation: number;
  readonly messages: number;
  readonly sent: number;
  readonly longestWaitMs: number;
  readonly faults: number;
}

const START_MS = 1_000_000;
const MOST_DRIFT = 2e-4;

/**
 * A lane of a pod that nothing happened to waits at most this long, plus its turns at the slowest of its limits: a leader's death (25 s), the
 * death of the one that follows, and what a line of lanes with a claim takes.
 */
const WAIT_WITHOUT_TURNS_MS = 120_000;

/** Every renewal of a session goes to every pod: the more there are, the later it comes. */
const WATCH_LAG_PER_POD_MS = 0.1;

/** Part of the lanes whose mail comes in spells, and the longest spell and gap. All lanes of a cluster that is larger than this. */
const IN_SPELLS = 0.3;
const LONGEST_SPELL_MS = 20_000;
const LONGEST_GAP_MS = 120_000;
const MOST_STEADY_SITES = 200;

/** Faults come in this first part of a run: what they lead to must have time. */
const LATEST_FAULT = 0.6;

/** Part of the faults that pods are chosen for that lead something. */
const AT_LEADERS = 0.4;

/** Every so many seeds there are lanes of two classes. */
const CLASSES_EVERY = 5;

/** A limit that is worked against all the time, whatever happens to the pods. */
const BUSY = { ratePerSecond: 50, connections: 6 };

const perSecond = (count: number): { count: number; periodMs: number } => ({ count, periodMs: 1_000 });

function siteBounds(random: () => number): Bounds {
  const pick = (from: number, to: number): number => from + Math.floor(random() * (to - from + 1));
  if (random() < 0.1)
    return { connections: pick(1, 3), messageRate: { count: pick(1, 10), periodMs: 60_000 } };
  return {
    connections: pick(1, 6),
    ...(random() < 0.2 ? { connectionRate: perSecond(pick(1, 20)) } : {}),
    ...(random() < 0.7 ? { recipientRate: perSecond(pick(2, 200)) } : {}),
    ...(random() < 0.3 ? { messageRate: perSecond(pick(1, 50)) } : {}),
    ...(random() < 0.1 ? { byteRate: perSecond(pick(500, 50_000)) } : {}),
    ...(random() < 0.2 ? { burst: pick(1, 30) } : {}),
  };
}

interface LaneRecord {
  readonly pod: ShardedPod;
  readonly lane: number;
  readonly keys: readonly LimitKey[];
}

/** A cluster, its load and its faults, as the seed wants them; runs it and judges it. */
export function runScenario(seed: number, size: ScenarioSize): Verdict {
  const random = seededRandom(seed);
  // A higher class goes before a lower one for hours: then waiting long is no fault.
  const classes = seed % CLASSES_EVERY === 0;
  const slowNetwork = random() < 0.3;
  const cluster = new ShardedCluster({
    startMs: START_MS,
    random,
    delayMs: () => (slowNetwork ? random() * 100 : 0.2 + random() * 3),
    watchLagMs: () => random() * size.pods * WATCH_LAG_PER_POD_MS,
    loss: random() < 0.5 ? 0 : random() * 0.1,
    doubling: random() < 0.5 ? 0 : random() * 0.05,
    drift: MOST_DRIFT * random(),
    latenessMs: () => random() * 5,
    broken: size.broken,
  });
  const sources = Array.from({ length: Math.max(2, Math.ceil(size.pods / 2)) }, (_, index) =>
    cluster.addLimit(`source-${index}`, { connections: 2 + Math.floor(random() * 20) }, ''),
  );
  const tenant = cluster.addLimit('tenant', { messageRate: perSecond(50 + Math.floor(random() * 200)) }, '');
  const sites = Array.from({ length: Math.max(6, Math.ceil(size.keys / 100)) }, (_, index) =>
    cluster.addLimit(`site-${index}`, siteBounds(random), `site-${index}`),
  );
  const pods = Array.from({ length: size.pods }, () => cluster.addPod());
  const touched = new Set<ShardedPod>();
  const lanes: LaneRecord[] = [];
  for (const site of sites) {
    const holders = 1 + Math.floor(random() * Math.min(4, size.pods));
    for (let index = 0; index < holders; index++) addLane(site, pods[Math.floor(random() * pods.length)]);
  }
  const busy = cluster.addLimit(
    'busy',
    { connections: BUSY.connections, recipientRate: perSecond(BUSY.ratePerSecond) },
    'busy',
  );
  const rare = cluster.addLimit('rare', { messageRate: { count: 1, periodMs: 60_000 } }, 'rare');
  for (const pod of pods.slice(0, 3)) {
    for (const key of [busy, busy, busy, rare]) {
      pod.addLane({
        keys: cluster.keySet([key]),
        watches: cluster.watchesOf([key]),
        priority: 0,
        recipients: () => 1,
        messagesPerConnection: 50,
        transactionMs: () => 20 + random() * 60,
        fromMs: pod.process.nowMs,
        untilMs: Number.POSITIVE_INFINITY,
      });
    }
  }
  const faults = scheduleFaults();
  cluster.agenda.runUntil(START_MS + size.runMs);
  return judge();

  function addLane(site: LimitKey, pod: ShardedPod | undefined): void {
    if (pod === undefined) return;
    const keys = [site];
    const source = sources[Math.floor(random() * sources.length)];
    if (source !== undefined && random() < 0.7) keys.push(source);
    if (random() < 0.2) keys.push(tenant);
    const late = random() < 0.3 ? random() * size.runMs * 0.5 : 0;
    const early = random() < 0.2 ? random() * size.runMs * 0.5 : 0;
    lanes.push({ pod, lane: pod.pod.lanes.length, keys });
    pod.addLane({
      keys: cluster.keySet(keys),
      watches: cluster.watchesOf(keys),
      priority: classes && random() < 0.1 ? 1 : 0,
      recipients: random() < 0.1 ? () => 1 + Math.floor(random() * 40) : () => 1,
      messagesPerConnection: 1 + Math.floor(random() * 20),
      transactionMs: () => 20 + random() * 300,
      fromMs: pod.process.nowMs + late,
      untilMs: pod.process.nowMs + size.runMs - early,
      spells: sites.length > MOST_STEADY_SITES || random() < IN_SPELLS ? someSpells() : undefined,
    });
  }

  function someSpells(): Spells {
    const forMs = 1_000 + random() * LONGEST_SPELL_MS;
    return { forMs, everyMs: forMs + random() * LONGEST_GAP_MS };
  }

  function scheduleFaults(): number {
    const count = Math.max(size.faults ?? 0, Math.floor(random() * 4) + Math.floor(size.pods / 10));
    for (let index = 0; index < count; index++) {
      const kind = random();
      const forMs = 1_000 + random() * 50_000;
      cluster.agenda.at(START_MS + random() * size.runMs * LATEST_FAULT, () => {
        const living = [...cluster.pods.values()];
        const leaders = random() < AT_LEADERS ? living.filter((each) => each.leads) : [];
        const among = leaders.length > 0 ? leaders : living;
        const pod = among[Math.floor(random() * among.length)];
        if (pod === undefined || pod.process.stopped || living.length < 2) return;
        touched.add(pod);
        if (kind < 0.25) cluster.kill(pod);
        else if (kind < 0.5) cluster.pause(pod, forMs);
        else if (kind < 0.7) cluster.cut(pod, forMs);
        else if (kind < 0.85) cluster.cutFromPods(pod, forMs);
        else {
          const fresh = cluster.addPod();
          touched.add(fresh);
          for (let lane = 0; lane < 3; lane++) {
            const site = sites[Math.floor(random() * sites.length)];
            if (site !== undefined) addLane(site, fresh);
          }
        }
      });
    }
    return count;
  }

  function judge(): Verdict {
    let sent = 0;
    let longestWaitMs = 0;
    const starved: string[] = [];
    for (const { pod, lane, keys } of lanes) {
      const simulated = pod.pod.lanes[lane];
      if (simulated === undefined) continue;
      sent += simulated.sent;
      if (touched.has(pod) || classes) continue;
      const open = simulated.waitingSinceMs === undefined ? 0 : pod.process.nowMs - simulated.waitingSinceMs;
      const waitedMs = Math.max(simulated.longestWaitMs, open);
      longestWaitMs = Math.max(longestWaitMs, waitedMs);
      const allowedMs = WAIT_WITHOUT_TURNS_MS + turnsMs(keys);
      if (waitedMs > allowedMs)
        starved.push(
          `a lane of ${pod.process.name} at ${keys.map(({ id }) => id).join('+')} waited ${waitedMs} ms`,
        );
    }
    const used = cluster.watches.get(busy.id)?.used ?? 0;
    return {
      violations: cluster.violations(),
      starved,
      utilisation: used / ((BUSY.ratePerSecond * size.runMs) / 1_000),
      messages: cluster.bus.messages,
      sent,
      longestWaitMs,
      faults,
    };
  }

  /** As long as every lane of the slowest key takes, with the largest message, twice. */
  function turnsMs(keys: readonly LimitKey[]): number {
    let longest = 0;
    for (const key of keys) {
      const behind = lanes.filter((other) => other.keys.includes(key)).length;
      for (const name of RATE_NAMES) {
        const rate = key.bounds[name];
        if (rate === undefined) continue;
        const cost = name === 'byteRate' ? 4_000 : name === 'recipientRate' ? 40 : 1;
        longest = Math.max(longest, (2 * behind * cost * rate.periodMs) / rate.count);
      }
    }
    return longest;
  }
}
