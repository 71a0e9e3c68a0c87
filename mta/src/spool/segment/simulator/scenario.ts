import { ALL_RULES, type OwnerRules } from '../owner-command.ts';
import { CALM, Cluster } from './cluster.ts';
import { FAULT_NAMES, FAULTS, type FaultName, restart } from './faults.ts';
import { Judge, type Verdict } from './judge.ts';
import { newMessageIdOf } from './message-name.ts';
import { ALL_POD_RULES, type PodRules, SimulatedPod } from './pod.ts';

export interface Scenario {
  readonly seed: number;
  /** Faults and messages: a step is one of either, about 300 ms after the one before. */
  readonly steps: number;
  readonly rules?: Partial<OwnerRules>;
  readonly podRules?: Partial<PodRules>;
  /** Streams may lose their last entries. */
  readonly powerLoss?: boolean;
  /** Only these faults; absent = all. */
  readonly only?: readonly FaultName[];
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
/** Share of the steps that are faults; the others are messages. Each run has one of these: now and then, often, all the time. */
const FAULT_CHANCES = [0.005, 0.015, 0.04];
/** After the last fault all must be well within this time. */
const SETTLE_MS = 400_000;
/** Long enough for what is late to do harm. */
const CALM_AT_LEAST_MS = 100_000;

/** A run of a simulated cluster that the seed determines: load and faults, then calm, then the verdict. */
export function runScenario({ seed, steps, rules, podRules, powerLoss = false, only }: Scenario): Outcome {
  const judge = new Judge();
  const cluster = new Cluster(seed, judge);
  judge.nowMs = () => cluster.nowMs;
  const { random, agenda } = cluster;
  const settings = {
    segments: SEGMENTS,
    rules: { ...ALL_RULES, ...rules },
    podRules: { ...ALL_POD_RULES, ...podRules },
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
  const faultChance = random.pick(FAULT_CHANCES) ?? 0;
  let faults = 0;
  let messages = 0;
  const newId = (): string => newMessageIdOf(++messages);
  const faultNames = only ?? FAULT_NAMES.filter((name) => powerLoss || name !== 'powerLoss');
  const step = (left: number): void => {
    if (left === 0) return;
    const pod = random.pick(pods);
    const fault = random.pick(faultNames);
    if (pod !== undefined && fault !== undefined && random.chance(faultChance)) {
      faults++;
      FAULTS[fault](cluster, pods, pod, newId);
    } else if (pod !== undefined) {
      const id = newId();
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
    for (const pod of pods) restart(cluster, pod);
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
