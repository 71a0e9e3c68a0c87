import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ApiClient, kubeconfigAccess } from '@sluice/operator';
import { Random } from '../fuzz/random.ts';
import { type ControlPlane, startControlPlane } from '../harness/control-plane.ts';
import { type OperatorProcess, startOperatorProcess } from '../harness/operator-process.ts';
import { cpuSeconds } from '../harness/process-usage.ts';
import { judge, type Verdict } from './api-judge.ts';
import { type ProxyFault, startFaultProxy } from './fault-proxy.ts';
import { NAMESPACE, UserWrites } from './user-writes.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** After the last fault the operator has so long to put everything right, milliseconds. */
const SETTLE_MS = 60_000;
const LOOK_MS = 250;
/** Told; more of them say no more. */
const MAX_COMPLAINTS = 12;
/** A request in so many meets a fault. */
const FAULTY_SHARE = 0.12;

export interface ApiChaosResult extends Verdict {
  readonly seed: number;
  readonly seconds: number;
  /** What was done to the API server, by kind. */
  readonly faults: Readonly<Record<string, number>>;
  readonly requests: number;
  readonly faultyRequests: number;
  readonly userWrites: number;
  /** From the end of the faults until everything was right. */
  readonly settledMs: number;
  readonly cpuShare: number;
}

/**
 * An operator whose API server is killed, stopped, compacted and slow, on a way on which requests are refused, reset, hung and answered in vain, while users write and
 * delete resources, right and wrong ones. Rejects when the operator ended.
 *
 * Example: `const { complaints } = await apiChaos(1, 300)`
 */
export async function apiChaos(seed: number, seconds: number): Promise<ApiChaosResult> {
  const generator = new Random(seed);
  const random = (): number => generator.next();
  const directory = mkdtempSync(join(tmpdir(), 'sluice-api-chaos-'));
  const cluster = await startControlPlane();
  let closeAll = async (): Promise<void> => cluster.close();
  try {
    await prepare(cluster);
    const admin = new ApiClient(await kubeconfigAccess(cluster.kubeconfig('admin', ['system:masters'])));
    let calm = false;
    const proxy = await startFaultProxy(await kubeconfigAccess(cluster.kubeconfig('operator')), () =>
      calm ? 'None' : requestFault(random),
    );
    closeAll = async () => {
      admin.close();
      await proxy.close();
      await cluster.close();
    };
    const operator = await startOperatorProcess(kubeconfigFor(proxy.url, directory), NAMESPACE, [
      '--no-providers',
    ]);
    const before = closeAll;
    closeAll = async () => {
      await operator.program.kill('SIGTERM');
      await before();
    };
    const ended = operator.program.ended.then((code): never => {
      throw new Error(`the operator ended with ${code}:\n${operator.program.lines.slice(-10).join('\n')}`);
    });
    ended.catch(() => {});
    const startMs = performance.now();
    const cpuBefore = cpuSeconds(operator.program.pid);
    const users = new UserWrites(admin, random);
    const faults: Record<string, number> = {};
    const untilMs = startMs + seconds * 1_000;
    const writing = (async () => {
      while (performance.now() < untilMs) {
        await users.one();
        await pause(20 + random() * 180);
      }
    })();
    await Promise.race([ended, Promise.all([writing, disturb(cluster, proxy, random, untilMs, faults)])]);
    calm = true;
    const calmMs = performance.now();
    // What users could not write while the API server was away is not there.
    let verdict = await judge(admin);
    while (verdict.complaints.length > 0 && performance.now() - calmMs < SETTLE_MS) {
      await Promise.race([ended, pause(LOOK_MS)]);
      verdict = await judge(admin);
    }
    const settledMs = performance.now() - calmMs;
    const wallS = (performance.now() - startMs) / 1_000;
    const complaints = [...verdict.complaints.slice(0, MAX_COMPLAINTS), ...bugsOf(operator)];
    const busy = (cpuSeconds(operator.program.pid) - cpuBefore) / wallS;
    if (busy > 0.5) complaints.push(`the operator used ${(busy * 100).toFixed(0)} % of a core`);
    const perSecond = proxy.counts.requests / wallS;
    if (perSecond > 60) complaints.push(`the operator asked ${perSecond.toFixed(0)} times a second`);
    if ((await fetch(`${operator.health}/readyz`)).status !== 200) complaints.push('it is not ready again');
    return {
      ...verdict,
      complaints,
      seed,
      seconds,
      faults,
      requests: proxy.counts.requests,
      faultyRequests: proxy.counts.faults,
      userWrites: users.written,
      settledMs: Math.round(settledMs),
      cpuShare: Math.round(busy * 1_000) / 1_000,
    };
  } finally {
    await closeAll();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function prepare(cluster: ControlPlane): Promise<void> {
  const steps = [
    ['apply', '-f', join(ROOT, 'crds/generated')],
    ['create', 'namespace', NAMESPACE],
    ['-n', NAMESPACE, 'apply', '-f', join(ROOT, 'operator/deploy/operator-role.yaml')],
    ['-n', NAMESPACE, 'create', 'rolebinding', 'operator', '--role=sluice-operator', '--user=operator'],
  ];
  for (const step of steps) {
    const { code, err } = await cluster.kubectl(step);
    if (code !== 0) throw new Error(err);
  }
}

/** Does something to the API server every second or two, until it is enough. */
async function disturb(
  cluster: ControlPlane,
  proxy: { cutWatches(): void },
  random: () => number,
  untilMs: number,
  faults: Record<string, number>,
): Promise<void> {
  const count = (kind: string): void => {
    faults[kind] = (faults[kind] ?? 0) + 1;
  };
  while (performance.now() < untilMs) {
    await pause(500 + random() * 1_500);
    const dice = random();
    if (dice < 0.45) {
      count('compaction');
      await compact(cluster.etcdUrl);
      proxy.cutWatches();
    } else if (dice < 0.75) {
      count('watches cut');
      proxy.cutWatches();
    } else if (dice < 0.92) {
      count('pause');
      process.kill(cluster.apiServerPid, 'SIGSTOP');
      await pause(500 + random() * 5_500);
      process.kill(cluster.apiServerPid, 'SIGCONT');
    } else {
      count('kill');
      await cluster.stopApiServer('SIGKILL');
      await pause(random() * 2_000);
      await cluster.startApiServer();
    }
  }
}

/** Versions of before are gone: who watches from one has to list again. */
async function compact(etcdUrl: string): Promise<void> {
  const post = async (path: string, body: unknown): Promise<unknown> =>
    (await fetch(`${etcdUrl}${path}`, { method: 'POST', body: JSON.stringify(body) })).json();
  const range = JSON.stringify(await post('/v3/kv/range', { key: 'AA==' }));
  const revision = /"revision":"(\d+)"/.exec(range)?.[1];
  if (revision !== undefined) await post('/v3/kv/compaction', { revision, physical: true });
}

function requestFault(random: () => number): ProxyFault {
  if (random() > FAULTY_SHARE) return 'None';
  const dice = random();
  if (dice < 0.3) return 'Throttle';
  if (dice < 0.5) return 'Error';
  if (dice < 0.7) return 'Reset';
  return dice < 0.95 ? 'CutAnswer' : 'Hang';
}

/** The proxy logs in by itself. */
function kubeconfigFor(url: string, directory: string): string {
  const path = join(directory, 'kubeconfig');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'chaos',
    // The library takes plain HTTP only from somebody who says so.
    clusters: [{ name: 'chaos', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
    contexts: [{ name: 'chaos', context: { cluster: 'chaos', user: 'nobody' } }],
    users: [{ name: 'nobody', user: {} }],
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

function bugsOf({ program }: OperatorProcess): readonly string[] {
  return program.lines.filter((line) => /a bug|follows a change failed/.test(line)).slice(0, 3);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
