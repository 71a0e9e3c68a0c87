import { ALL_RULES, type OwnerRules } from '../owner-command.ts';
import { CALM, Cluster } from './cluster.ts';
import { Judge, type Verdict } from './judge.ts';
import { newMessageIdOf } from './message-name.ts';
import { SimulatedPod } from './pod.ts';

export interface Scenario {
  readonly seed: number;
  /** Faults and messages: a step is one of either, about 300 ms after the one before. */
  readonly steps: number;
  readonly rules?: Partial<OwnerRules>;
  /** Streams may lose their last entries. */
  readonly powerLoss?: boolean;
}

export interface Outcome extends Verdict {
  readonly faults: number;
  readonly adoptions: number;
  readonly simulatedMs: number;
}

const PODS = 3;
const SEGMENTS = 4;
const MAX_UNJOURNALLED = 20;
const MAX_JOURNAL_BATCHES = 25;
const STEP_MS = 300;
/** After the last fault all must be well within this time. */
const SETTLE_MS = 400_000;
/** Long enough for what is late to do harm. */
const CALM_AT_LEAST_MS = 100_000;

/** A run of a simulated cluster that the seed determines: load and faults, then calm, then the verdict. */
export function runScenario({ seed, steps, rules, powerLoss = false }: Scenario): Outcome {
  const judge = new Judge();
  const cluster = new Cluster(seed, judge);
  judge.nowMs = () => cluster.nowMs;
  const { random, agenda } = cluster;
  const settings = {
    segments: SEGMENTS,
    rules: { ...ALL_RULES, ...rules },
    maxUnjournalled: MAX_UNJOURNALLED,
    maxJournalBatches: MAX_JOURNAL_BATCHES,
  };
  const pods = Array.from(
    { length: PODS },
    (_, index) => new SimulatedPod(`pod-${index}`, cluster, settings),
  );
  judge.replaced = (segment, session) => {
    for (const pod of pods) if (pod.alive && pod.session === session) pod.wasReplaced(segment);
  };
  judge.givenUpOn = (segment, session) => {
    for (const pod of pods) if (pod.alive && pod.session === session) pod.wasGivenUpOn(segment);
  };
  for (const pod of pods) pod.start();
  cluster.troubles = {
    lostRequest: 0.01,
    lostAnswer: 0.01,
    duplicated: 0.01,
    slow: 0.01,
    slowMs: 30_000,
    stale: 0.2,
    staleMs: 5_000,
  };
  let faults = 0;
  let messages = 0;
  const restart = (pod: SimulatedPod): void => {
    if (!pod.alive) pod.start();
    else if (pod.draining) agenda.after(5_000, () => restart(pod));
  };
  const outage = (lengthMs: number): void => {
    cluster.isDown = true;
    agenda.after(lengthMs, () => {
      cluster.isDown = false;
      for (const pod of pods) agenda.after(random.between(0, 2_000), () => pod.reconnected());
    });
  };
  const fault = (pod: SimulatedPod): void => {
    faults++;
    const kind = random.whole(0, powerLoss ? 9 : 8);
    if (kind === 0) {
      pod.kill();
      agenda.after(random.between(500, 40_000), () => restart(pod));
    } else if (kind === 1) {
      pod.drain();
      agenda.after(random.between(500, 60_000), () => restart(pod));
    } else if (kind === 2) {
      const lengthMs = random.between(500, 60_000);
      // What it was about to publish lies in buffers, and arrives while it stands still.
      for (let count = 0; count < 3; count++)
        pod.accept(newMessageIdOf(++messages), 1, random.between(0, lengthMs));
      pod.pause();
      agenda.after(lengthMs, () => pod.resume(lengthMs, false));
    } else if (kind === 3) {
      const lengthMs = random.between(2_000, 60_000);
      pod.pause();
      agenda.after(lengthMs, () => pod.resume(lengthMs, true));
    } else if (kind === 4) {
      pod.wallOffsetMs += random.between(-10_000, 10_000);
    } else if (kind === 5) {
      cluster.partitioned.add(pod.name);
      agenda.after(random.between(500, 60_000), () => {
        cluster.partitioned.delete(pod.name);
        pod.reconnected();
      });
    } else if (kind === 6) {
      outage(random.between(500, 45_000));
    } else if (kind === 7) {
      cluster.isReadOnly = true;
      agenda.after(random.between(500, 20_000), () => {
        cluster.isReadOnly = false;
      });
    } else if (kind === 8) {
      const store = random.chance(0.5) ? cluster.stores.spool : cluster.stores.defer;
      store.full = true;
      agenda.after(random.between(500, 20_000), () => {
        store.full = false;
      });
    } else {
      losePower(cluster);
      outage(random.between(1_000, 30_000));
    }
  };
  const step = (left: number): void => {
    if (left === 0) return;
    const pod = random.pick(pods);
    if (pod !== undefined && random.chance(0.04)) fault(pod);
    else if (pod !== undefined) {
      const id = newMessageIdOf(++messages);
      if (random.chance(0.002)) cluster.poison.add(id);
      pod.accept(id, random.chance(0.15) ? random.whole(2, 4) : 1);
    }
    agenda.after(random.between(0, 2 * STEP_MS), () => step(left - 1));
  };
  agenda.after(10_000, () => step(steps));
  const unowned = (): number[] =>
    Array.from({ length: SEGMENTS }, (_, segment) => segment).filter(
      (segment) => pods.filter((pod) => pod.owners.get(segment)?.takesMail === true).length !== 1,
    );
  const isWrong = (): boolean => judge.violations.length > 0;
  agenda.runUntil(10_000 + steps * STEP_MS * 1.2, isWrong);
  cluster.troubles = CALM;
  for (let waitedMs = 0; waitedMs < SETTLE_MS && !isWrong(); waitedMs += 5_000) {
    for (const pod of pods) restart(pod);
    agenda.runUntil(agenda.nowMs + 5_000, isWrong);
    if (waitedMs > CALM_AT_LEAST_MS && judge.undelivered().length === 0 && unowned().length === 0) break;
  }
  if (!isWrong()) {
    for (const segment of unowned()) judge.violate(`segment ${segment} has no owner in the end, or several`);
  }
  return {
    ...judge.verdict(MAX_UNJOURNALLED),
    faults,
    adoptions: judge.adoptions,
    simulatedMs: Math.round(agenda.nowMs),
  };
}

/** The last entries of each stream were never written to a disk. */
function losePower(cluster: Cluster): void {
  const { random, judge, journal, stores } = cluster;
  const lost = [...stores.spool.rollBack(random.whole(0, 20)), ...stores.defer.rollBack(random.whole(0, 10))];
  const batches = journal.rollBack(random.whole(0, 10));
  judge.rolledBack([
    ...lost.map(({ payload }) => payload.id),
    ...batches.flatMap(({ payload }) =>
      payload.records.flatMap((record) => ('place' in record ? [record.place.id] : [])),
    ),
  ]);
  judge.journalIs(journal.entries);
}
