import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MAX_UNJOURNALLED_OUTCOMES } from '@sluice/mta/dispatch';
import { Clients } from './clients.ts';
import { describeFault } from './fault.ts';
import { planFaults } from './fault-plan.ts';
import { inflict } from './inflict.ts';
import type { ChaosNetwork } from './network.ts';
import { Scene } from './scene.ts';
import { type Evidence, judge, type Verdict } from './verdict.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** How long mail is handed in and things go wrong. */
  readonly durationMs: number;
  /** Longest wait for the queues to empty afterwards. */
  readonly drainMs: number;
  readonly ratePerSecond: number;
  readonly network: ChaosNetwork;
  /** A line for people. */
  readonly say: (line: string) => void;
}

export interface ChaosResult extends Verdict {
  /** That were made to happen. */
  readonly faults: number;
}

/** A message that ends its owner at once ends so many at most (ADR 0022). */
const MOST_POISONED = 4;
const SESSIONS_PER_POD = 5;
/** Nothing is queued at so many questions in a row, a second apart: nothing is on its way from one pod to another. */
const EMPTY_ANSWERS = 3;
const ASK_EVERY_MS = 1_000;

/** Runs one seed: start, faults under load, heal, drain, verdict. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, durationMs, ratePerSecond, network } = options;
  const startMs = performance.now();
  const say = (line: string): void =>
    options.say(`${((performance.now() - startMs) / 1000).toFixed(1).padStart(6)} s  ${line}`);
  const scene = await Scene.start(network, say);
  try {
    say(`${scene.pods.length} pods, ${scene.nodes.length} NATS nodes: mail flows`);
    const clients = scene.pods.map(
      (pod, index) =>
        new Clients({
          target: () => pod.smtp,
          domains: scene.domains,
          seed: seed * 16 + index,
          run: `c${index}`,
          ratePerSecond: ratePerSecond / scene.pods.length,
          sessions: SESSIONS_PER_POD,
        }),
    );
    const stop = new AbortController();
    const handingIn = clients.map((each) => each.run(stop.signal));
    const begunMs = performance.now();
    const without = network.places.some(({ links }) => links === undefined) ? ['partition' as const] : [];
    const plan = planFaults({
      seed,
      durationMs,
      pods: scene.pods.length,
      nodes: scene.nodes.length,
      without: new Set(without),
    });
    let faults = 0;
    const happening: Promise<void>[] = [];
    for (const { atMs, fault } of plan) {
      await pause(begunMs + atMs - performance.now());
      say(describeFault(fault));
      happening.push(
        inflict(scene, clients, fault, stop.signal).then((happened) => {
          if (happened) faults++;
          else say(`left out, its target was not up: ${describeFault(fault)}`);
        }),
      );
    }
    await pause(begunMs + durationMs - performance.now());
    stop.abort();
    await Promise.all([...handingIn, ...happening]);
    say('no more faults, no more mail: waiting for the queues to empty');
    const queued = await drained(scene, clients, options.drainMs, say);
    const evidence = await evidenceOf(scene, clients, queued);
    const verdict = judge(evidence);
    const complaints = [...verdict.complaints, ...complaintsOf(scene, queued)];
    if (queued !== undefined && queued.size > 0)
      complaints.push(...stuckMail(evidence), ...(await scene.queues()));
    if (complaints.length > 0) complaints.push(`logs of the pods: ${keepLogs(seed, scene)}`);
    for (const { refusals } of clients)
      say(`refused: ${[...refusals].map(([reply, count]) => `${count} x ${reply}`).join(', ')}`);
    return { ...verdict, complaints, faults };
  } finally {
    await scene.close();
  }
}

/** What is queued when nothing is left, or time is up; `undefined` = no answer. */
async function drained(
  scene: Scene,
  clients: readonly Clients[],
  drainMs: number,
  say: (line: string) => void,
): Promise<ReadonlyMap<string, number> | undefined> {
  const untilMs = performance.now() + drainMs;
  let queued: ReadonlyMap<string, number> | undefined;
  let empty = 0;
  for (let asked = 0; empty < EMPTY_ANSWERS && performance.now() < untilMs; asked++) {
    await pause(ASK_EVERY_MS);
    queued = (await scene.queued()) ?? queued;
    const open = openCount(scene, clients);
    empty = open === 0 && queued?.size === 0 ? empty + 1 : 0;
    if (asked % 10 === 0)
      say(
        `${open} recipients to go, ${queued === undefined ? 'not all pods answer' : `${sum(queued)} queued`}`,
      );
  }
  return queued;
}

/** Accepted recipients that are neither delivered nor refused nor held. */
function openCount(scene: Scene, clients: readonly Clients[]): number {
  const arrived = new Set(scene.deliveries.map(({ recipient }) => recipient));
  const refused = scene.internet.refused();
  let open = 0;
  for (const { offered } of clients)
    for (const { id, recipients } of offered)
      for (const recipient of recipients)
        if (
          id !== '' &&
          !arrived.has(recipient) &&
          !refused.has(localPart(recipient)) &&
          !scene.events.held.has(id)
        )
          open++;
  return open;
}

async function evidenceOf(
  scene: Scene,
  clients: readonly Clients[],
  queued: ReadonlyMap<string, number> | undefined,
): Promise<Evidence> {
  await scene.readAll();
  const offered = clients.flatMap((each) => each.offered);
  const refusedLocals = scene.internet.refused();
  const recipients = offered.flatMap((mail) => mail.recipients);
  const podOfSession = new Map<string, string>();
  for (const { name, sessions } of scene.pods)
    for (const session of sessions) podOfSession.set(session, name);
  return {
    offered,
    deliveries: scene.deliveries,
    refused: new Set(recipients.filter((recipient) => refusedLocals.has(localPart(recipient)))),
    queued: queued ?? new Map(),
    held: scene.events.held,
    idsOf: scene.events.idsOf,
    journal: scene.journal,
    dropped: scene.pods.flatMap(({ dropped }) => dropped),
    podOfSource: new Map(scene.pods.map(({ name, place }) => [place.address, name])),
    podOfSession,
    maxUnjournalled: MAX_UNJOURNALLED_OUTCOMES,
    maxInFlight: mostConnections(scene),
  };
}

/** Connections that any one pod ever had, all receivers added up: no more transactions can have been open. */
function mostConnections({ internet, pods }: Scene): number {
  const records = internet.records().flatMap(({ sources }) => sources);
  const ofPod = (address: string): number =>
    records.reduce(
      (total, source) => (source.address === address ? total + source.peakConnections : total),
      0,
    );
  return Math.max(0, ...pods.map(({ place }) => ofPod(place.address)));
}

function complaintsOf(scene: Scene, queued: ReadonlyMap<string, number> | undefined): readonly string[] {
  const complaints = scene.pods.flatMap(({ fallen }) => fallen);
  if (queued === undefined) complaints.push('the pods did not all answer what they have queued');
  else if (queued.size > 0)
    complaints.push(
      `STUCK: still queued: ${[...queued].map(([domain, count]) => `${count} to ${domain}`).join(', ')}`,
    );
  if (scene.poisoned.length > MOST_POISONED)
    complaints.push(
      `POISON ended ${scene.poisoned.length} pods (${scene.poisoned.join(', ')}), at most ${MOST_POISONED} are promised`,
    );
  const untold = new Set(scene.deliveries.map(({ recipient }) => recipient)).difference(scene.events.told);
  if (untold.size > 0)
    complaints.push(
      `NO EVENT of the delivery to ${[...untold].slice(0, 20).join(', ')} (${untold.size} in all)`,
    );
  return complaints;
}

/** What the journal says of mail that is open. */
function stuckMail({
  offered,
  deliveries,
  refused,
  held,
  journal,
  dropped,
  podOfSession,
}: Evidence): readonly string[] {
  const arrived = new Set(deliveries.map(({ recipient }) => recipient));
  const pod = (session: string): string => `${session} (${podOfSession.get(session) ?? 'unknown'})`;
  return offered.flatMap(({ id, recipients }) => {
    const open = recipients.filter((each) => !arrived.has(each) && !refused.has(each) && !held.has(id));
    if (id === '' || open.length === 0) return [];
    const domains = [...new Set(recipients.map((each) => each.slice(each.lastIndexOf('@') + 1)))];
    const entries = domains.flatMap((_, group) => journal.group(id, group));
    const told = entries.map(({ kind, sequence, session }) => `${kind} at ${sequence} by ${pod(session)}`);
    const segment = entries[0]?.segment;
    const owner =
      segment === undefined
        ? undefined
        : journal.tenures(segment, dropped, (each) => podOfSession.get(each)).at(-1);
    const has =
      owner === undefined ? '' : ` of segment ${segment}, ${owner.ended} ${owner.from} ${pod(owner.session)}`;
    return [`STUCK ${id}${has} to ${open.join(', ')}: ${told.join('; ') || 'nothing in the journal'}`];
  });
}

/** Logs go to a directory that stays; returns it. */
function keepLogs(seed: number, { pods }: Scene): string {
  const directory = mkdtempSync(join(tmpdir(), `sluice-chaos-${seed}-`));
  for (const { name, log } of pods) writeFileSync(join(directory, `${name}.log`), `${log.join('\n')}\n`);
  return directory;
}

function localPart(recipient: string): string {
  return recipient.slice(0, recipient.lastIndexOf('@'));
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0);
}

function pause(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
