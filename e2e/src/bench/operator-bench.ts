/**
 * The operator at scale against a real API server: `node e2e/src/bench/operator-bench.ts [pools]`. One JSON object: pools of 50 sources and a quarter as many policies are there when it
 * starts; times until they are published and have their statuses, then of single changes, as a client sees them; CPU time of the operator (and of the API server) for the
 * same, which a busy machine does not change; memory of its process; time in which a pod that starts runs the whole set.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ControlPlane, skipWithoutControlPlane, startControlPlane } from '../harness/control-plane.ts';
import { type OperatorProcess, startOperatorProcess } from '../harness/operator-process.ts';
import { cpuSeconds, residentBytes } from '../harness/process-usage.ts';
import { mountServiceAccount } from '../harness/service-account.ts';
import { resource, startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';
import { median } from './median.ts';

const DEFINITIONS = fileURLToPath(new URL('../../../crds/generated', import.meta.url));
const POD_ROLE = fileURLToPath(new URL('../../../operator/deploy/pod-role.yaml', import.meta.url));
const SOURCES = 50;
const CHANGES = 5;
const PATIENCE_MS = 120_000;
/** Resources in one `kubectl create`. */
const BATCH = 100;

const skip = await skipWithoutControlPlane('the operator at scale');
if (skip !== false) {
  process.stderr.write(`${skip}\n`);
  process.exit(0);
}
const pools = Number(process.argv[2] ?? 2_000);
const cluster = await startControlPlane();
try {
  process.stdout.write(`${JSON.stringify(await measure(cluster))}\n`);
} finally {
  await cluster.close();
}

async function measure(cluster: ControlPlane): Promise<object> {
  await run(['apply', '-f', DEFINITIONS]);
  await run(['create', 'namespace', 'mail']);
  const resources = [
    ...Array.from({ length: pools }, (_, index) => poolOf(index)),
    ...Array.from({ length: pools / 4 }, (_, index) => policyOf(index)),
  ];
  for (let at = 0; at < resources.length; at += BATCH) {
    const list = { apiVersion: 'v1', kind: 'List', items: resources.slice(at, at + BATCH) };
    await run(['-n', 'mail', 'create', '-f', '-'], JSON.stringify(list));
  }
  const apiServerBefore = cpuSeconds(cluster.apiServerPid);
  const startMs = performance.now();
  const admin = cluster.kubeconfig('admin', ['system:masters']);
  const operator = await startOperatorProcess(admin, 'mail', ['--no-providers']);
  try {
    await operator.program.line((line) => line.includes('a configuration is published') || undefined);
    const publishedMs = performance.now() - startMs;
    const publishedCpu = cpuSeconds(operator.program.pid);
    const statuses = () => metric(operator, 'sluice_operator_writes_total{object="Status"}');
    await until('all have a status', statuses, (count) => count >= resources.length, PATIENCE_MS);
    const statusesMs = performance.now() - startMs;
    const statusesCpu = cpuSeconds(operator.program.pid);
    const apiServerCpu = cpuSeconds(cluster.apiServerPid) - apiServerBefore;
    const changes: number[] = [];
    for (let index = 0; index < CHANGES; index++) {
      const changeMs = performance.now();
      const patch = '{"spec":{"urgency":"High"}}';
      await run(['-n', 'mail', 'patch', `epool/pool-${index}`, '--type=merge', '-p', patch]);
      await until('its status', statuses, (count) => count > resources.length + index, PATIENCE_MS);
      changes.push(performance.now() - changeMs);
    }
    const pod = await loadedByPod(cluster, operator);
    return {
      ...pod,
      pools,
      sources: pools * SOURCES,
      policies: pools / 4,
      shards: await metric(operator, 'sluice_operator_config_shards'),
      publishedMs: Math.round(publishedMs),
      statusesMs: Math.round(statusesMs),
      changeMs: Math.round(median(changes)),
      publishedCpu,
      statusesCpu,
      apiServerCpu: Math.round(apiServerCpu * 100) / 100,
      changeCpu: Math.round(((cpuSeconds(operator.program.pid) - statusesCpu) / CHANGES) * 100) / 100,
      peakMb: Math.round(peakBytes(operator.program.pid) / 1e6),
    };
  } finally {
    await operator.program.kill('SIGTERM');
  }

  async function run(args: readonly string[], input?: string): Promise<void> {
    const { code, err } = await cluster.kubectl(args, input);
    if (code !== 0) throw new Error(err);
  }
}

/** Whether a pod that starts runs the whole set; what that took, and its memory. */
async function loadedByPod(
  cluster: ControlPlane,
  operator: OperatorProcess,
): Promise<{ readonly podLoadsMs: number; readonly podMb: number }> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-pod-'));
  const account = await mountServiceAccount(cluster, 'mail', 'pod', join(directory, 'account'));
  for (const args of [
    ['-n', 'mail', 'apply', '-f', POD_ROLE],
    ['-n', 'mail', 'create', 'rolebinding', 'pod', '--role=sluice-mta', '--serviceaccount=mail:pod'],
  ])
    await cluster.kubectl(args);
  const startMs = performance.now();
  const pod = await startSluice({
    spec: { resources: { configMaps: { serviceAccountDirectory: account.directory } } },
    resources: {},
    directory: join(directory, 'pod'),
    environment: account.environment,
  });
  try {
    const published = /config_info\{hash="([0-9a-f]+)"\}/.exec(await textOf(operator.health))?.[1];
    await until(
      'the pod runs it',
      () => textOf(pod.admin),
      (text) => text.includes(`sluice_config_info{hash="${published}"} 1`),
      PATIENCE_MS,
    );
    const podLoadsMs = Math.round(performance.now() - startMs);
    return { podLoadsMs, podMb: Math.round(residentBytes(pod.pid) / 1e6) };
  } finally {
    await pod.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function textOf(address: string): Promise<string> {
  return (await fetch(`${address}/metrics`)).text();
}

function poolOf(index: number): unknown {
  const sources = Array.from({ length: SOURCES }, (_, source) => ({
    name: `ip-${source}`,
    address: `10.${index >> 8}.${index & 255}.${source + 1}`,
    ehlo: `out${source}.p${index}.esp.example`,
    labels: { age: source % 2 === 0 ? 'cold' : 'warm' },
  }));
  return resource('EgressPool', `pool-${index}`, { sources });
}

function policyOf(index: number): unknown {
  const limit = { name: 'l', per: ['Source', 'Site'], connections: 10, connectionRate: '100/min' };
  const targetRefs = [{ group: 'sluice.email', kind: 'EgressPool', name: `pool-${index}` }];
  return resource('ShapingPolicy', `policy-${index}`, { targetRefs, default: { limits: [limit] } });
}

async function metric({ health }: OperatorProcess, name: string): Promise<number> {
  const text = await textOf(health);
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

function peakBytes(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024;
}
