import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LimitCluster, type LimitPod, startLimitCluster } from '../harness/limit-cluster.ts';
import { skipWithoutNats } from '../harness/nats-server.ts';
import type { AllowedRate } from '../judge/limit-check.ts';

const skip = await skipWithoutNats('limits hold for 1, 3 and 10 pods that come and go');

/** How long each cluster is watched after its pods got their mail: long enough for the third turn of the slowest limit. */
const WATCHED_SECONDS = 130;
/** How long a pod lives in a cluster whose pods come and go: who has not lived for 20 s itself cannot have seen that another one is dead. */
const LIFE_SECONDS = 30;
/** One leaves and one comes no more often than this. */
const CHURN_AT_MOST_EVERY_SECONDS = 6;
/** One of so many ends by SIGKILL: what it held is held for 20 s more. */
const KILLED_EVERY = 4;
/** Rates below this are judged by their turns, not by the part that is used. */
const USED_FROM_PER_SECOND = 10;
const LEAST_USED = 0.95;
const SLOW_PERIOD_SECONDS = 60;

interface Row {
  readonly name: string;
  readonly limit: Readonly<Record<string, unknown>>;
  readonly finalDotMs: number;
  readonly allowed: AllowedRate;
  /** Messages: what the limit allows in the time in which it is worked against, and more. */
  readonly messages: number;
}

const anyRate = { recipientsPerSecond: 1e6, burst: 0 };

function slots(connections: number): Row {
  // Each host is slow enough that many connections are wanted, and few messages are enough.
  const finalDotMs = connections * 40;
  const allowed = { connections, ...anyRate };
  return { name: `c${connections}`, limit: { connections }, finalDotMs, allowed, messages: 1_500 };
}

function rate(name: string, recipientRate: string, perSecond: number, burst: number, messages: number): Row {
  const allowed = { connections: 32, recipientsPerSecond: perSecond, burst };
  return { name, limit: { connections: 32, recipientRate }, finalDotMs: 2, allowed, messages };
}

const ROWS: readonly Row[] = [
  slots(1),
  slots(2),
  slots(5),
  slots(32),
  rate('m1', '1/min', 1 / SLOW_PERIOD_SECONDS, 1, 10),
  rate('s10', '10/s', 10, 2, 800),
  rate('s500', '500/s', 500, 51, 15_000),
];

interface Case {
  readonly pods: number;
  /** `One` = one pod has all the mail. */
  readonly demand: 'Even' | 'One';
  readonly churn: boolean;
}

const CASES: readonly Case[] = [
  { pods: 1, demand: 'Even', churn: false },
  { pods: 3, demand: 'Even', churn: false },
  { pods: 3, demand: 'One', churn: false },
  { pods: 10, demand: 'Even', churn: false },
  { pods: 10, demand: 'One', churn: false },
  { pods: 3, demand: 'Even', churn: true },
  { pods: 10, demand: 'Even', churn: true },
];

for (const { pods: count, demand, churn } of CASES) {
  const who = `${count} ${count === 1 ? 'pod' : 'pods'}${churn ? ' that come and go' : ''}, ${demand === 'One' ? 'one of which has all mail' : 'all with mail'}`;
  test(`no limit is ever exceeded, and what is allowed is used: ${who}`, {
    skip,
    timeout: 400_000,
  }, async (context) => {
    const cluster = await startLimitCluster(context, ROWS);
    const startMs = performance.now();
    // Mail of a pod that ends is sent by the others.
    const store = churn ? 'Shared' : 'Own';
    const pods = [...(await cluster.pods(count, store))];
    const paces = ROWS.map(({ name }) => new Pace(cluster, name));
    const watching = watch(paces);
    await load(cluster, demand === 'One' ? pods.slice(0, 1) : pods);
    if (churn) await comeAndGo(cluster, pods);
    else await seconds(WATCHED_SECONDS);
    watching.stop();
    const lastedSeconds = (performance.now() - startMs) / 1_000;
    for (const [index, row] of ROWS.entries()) {
      const host = cluster.host(row.name);
      const used = paces[index]?.used() ?? 0;
      const turns = host.offeredAtSeconds();
      const figure =
        row.name === 'm1'
          ? `turns after ${turns.map((at) => (at - (turns[0] ?? 0)).toFixed(1)).join(', ')} s`
          : `${used.toFixed(1)} a second`;
      context.diagnostic(
        `${who}; ${JSON.stringify(row.limit)}: at most ${host.record?.peakConnections ?? 0} connections, ${figure}, ` +
          `${host.sink.ledger.totals.duplicates} twice`,
      );
      assert.deepEqual(host.violations(row.allowed), []);
      if (row.name === 'm1') assertTurns(turns, lastedSeconds, churn);
      else if (
        row.allowed.recipientsPerSecond < 1e6 &&
        row.allowed.recipientsPerSecond >= USED_FROM_PER_SECOND
      )
        assert.ok(
          churn || used >= LEAST_USED * row.allowed.recipientsPerSecond,
          `${row.name}: ${used.toFixed(1)} of ${row.allowed.recipientsPerSecond}/s`,
        );
    }
  });
}

async function load(cluster: LimitCluster, pods: readonly LimitPod[]): Promise<void> {
  for (const { name, messages } of ROWS) {
    const each = Math.ceil(messages / pods.length);
    await Promise.all(pods.map((pod, index) => cluster.mail(pod, name, `${name}p${index}`, each)));
  }
}

/** For as long as the cluster is watched, one pod leaves and another one comes. */
async function comeAndGo(cluster: LimitCluster, pods: LimitPod[]): Promise<void> {
  const untilMs = performance.now() + WATCHED_SECONDS * 1_000;
  const everySeconds = Math.max(CHURN_AT_MOST_EVERY_SECONDS, LIFE_SECONDS / pods.length);
  for (let change = 1; performance.now() < untilMs; change++) {
    const pause = seconds(everySeconds);
    pods.push(await cluster.pod('Shared'));
    await pods.shift()?.kill(change % KILLED_EVERY === 0 ? 'SIGKILL' : 'SIGTERM');
    await pause;
  }
}

/** Ideal: one a period. Nothing is ever earlier; a turn is late by less than a period, when its leader died included. */
function assertTurns(turns: readonly number[], lastedSeconds: number, churn: boolean): void {
  const first = turns[0] ?? 0;
  const expected = 1 + Math.floor((lastedSeconds - first + 1) / SLOW_PERIOD_SECONDS);
  assert.ok(turns.length >= expected - 1 && turns.length <= expected, `turns at ${turns.join(' ')}`);
  for (const [index, at] of turns.entries()) {
    const lateSeconds = at - first - index * SLOW_PERIOD_SECONDS;
    // A second for the way and for the width of the record.
    assert.ok(
      lateSeconds > -1 && (churn || lateSeconds < SLOW_PERIOD_SECONDS),
      `turns at ${turns.join(' ')}`,
    );
  }
}

/** How fast a host got its mail, between its first tenth and its ninth. */
class Pace {
  readonly #cluster: LimitCluster;
  readonly #name: string;
  readonly #messages: number;
  #from: { readonly atMs: number; readonly delivered: number } | undefined;
  #to: { readonly atMs: number; readonly delivered: number } | undefined;

  constructor(cluster: LimitCluster, name: string) {
    this.#cluster = cluster;
    this.#name = name;
    this.#messages = ROWS.find((row) => row.name === name)?.messages ?? 0;
  }

  look(): void {
    const delivered = this.#cluster.host(this.#name).delivered();
    const now = { atMs: performance.now(), delivered };
    if (delivered >= 0.1 * this.#messages) this.#from ??= now;
    if (delivered <= 0.9 * this.#messages) this.#to = now;
  }

  used(): number {
    const { atMs, delivered } = this.#from ?? { atMs: 0, delivered: 0 };
    return this.#to === undefined ? 0 : ((this.#to.delivered - delivered) * 1_000) / (this.#to.atMs - atMs);
  }
}

function watch(paces: readonly Pace[]): { stop(): void } {
  const timer = setInterval(() => {
    for (const pace of paces) pace.look();
  }, 50);
  return { stop: () => clearInterval(timer) };
}

const seconds = (count: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, count * 1_000));
