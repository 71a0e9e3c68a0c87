import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterCertificates } from './cluster-certificates.ts';
import { freePorts } from './free-ports.ts';
import { ETCD, goTool, KUBE_APISERVER, KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER, KUBECTL } from './go-tool.ts';
import { type StartedProgram, startProgram } from './started-program.ts';
import { until } from './until.ts';

/** What a command said. */
export interface KubectlResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A real API server with its etcd on 127.0.0.1, RBAC on, and its controllers where they were asked for. Its state and its ports outlive a restart of either. */
export interface ControlPlane {
  readonly url: string;
  readonly port: number;
  /** PEM file of the CA that signed the API server's certificate. */
  readonly caFile: string;
  /** Path of a kubeconfig for a user in some groups; `admin` in `system:masters` may do everything. */
  kubeconfig(user: string, groups?: readonly string[]): string;
  /** Runs kubectl as administrator. */
  kubectl(args: readonly string[], input?: string): Promise<KubectlResult>;
  /** Of the API server that runs now; another one after each start. */
  readonly apiServerPid: number;
  /** Of etcd, for its JSON gateway. */
  readonly etcdUrl: string;
  /** Ends and starts the API server again. */
  stopApiServer(signal: NodeJS.Signals): Promise<void>;
  startApiServer(): Promise<void>;
  close(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;

/** Controllers without which a chart is only text in the API server: pods of workloads, service accounts, what is deleted with its owner. */
const CONTROLLERS = [
  'deployment-controller',
  'replicaset-controller',
  'statefulset-controller',
  'serviceaccount-controller',
  'root-ca-certificate-publisher-controller',
  'disruption-controller',
  'garbage-collector-controller',
  'namespace-controller',
];

export interface ControlPlaneOptions {
  /** Who asked for what and when goes there, a JSON line for each request. */
  readonly auditFile?: string;
  /** Runs kube-controller-manager and kube-scheduler too, and the admission of service accounts that needs them. */
  readonly controllers?: boolean;
}

/** Why tests with a real API server cannot run here, in the words that `skip` shows; `false` = they can. Builds what is missing. */
export async function skipWithoutControlPlane(
  notCovered: string,
  { controllers = false }: ControlPlaneOptions = {},
): Promise<string | false> {
  const more = controllers ? [KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER] : [];
  for (const tool of [ETCD, KUBE_APISERVER, KUBECTL, ...more]) {
    const found = await goTool(tool);
    if ('missing' in found) return `${found.missing}: NOT COVERED: ${notCovered}`;
  }
  return false;
}

/**
 * Starts etcd and kube-apiserver.
 *
 * Example: `const cluster = await startControlPlane(); await cluster.kubectl(['get', 'namespaces']); … await cluster.close()`
 */
export async function startControlPlane({
  controllers = false,
  auditFile,
}: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-cluster-'));
  const file = (name: string): string => join(directory, name);
  const [clientPort = 0, peerPort = 0, apiPort = 0] = await freePorts(3);
  const certificates = clusterCertificates(directory);
  const url = `https://127.0.0.1:${apiPort}`;
  const etcd = startProgram([
    await program(ETCD),
    `--data-dir=${file('etcd')}`,
    '--unsafe-no-fsync',
    '--log-level=error',
    `--listen-client-urls=http://127.0.0.1:${clientPort}`,
    `--advertise-client-urls=http://127.0.0.1:${clientPort}`,
    `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-cluster=default=http://127.0.0.1:${peerPort}`,
  ]);
  const apiServer = [
    await program(KUBE_APISERVER),
    `--etcd-servers=http://127.0.0.1:${clientPort}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${apiPort}`,
    `--cert-dir=${directory}`,
    `--tls-cert-file=${certificates.serverCertificateFile}`,
    `--tls-private-key-file=${certificates.serverKeyFile}`,
    `--client-ca-file=${certificates.caFile}`,
    '--authorization-mode=RBAC',
    ...(controllers ? [] : ['--disable-admission-plugins=ServiceAccount']),
    '--service-cluster-ip-range=10.0.0.0/24',
    '--endpoint-reconciler-type=none',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${certificates.serviceAccountKeyFile}`,
    `--service-account-signing-key-file=${certificates.serviceAccountKeyFile}`,
    '--profiling=false',
    '--v=0',
    ...(auditFile === undefined ? [] : auditFlags(auditFile, file('audit-policy.yaml'))),
  ];
  const kubectlPath = await program(KUBECTL);
  let running: StartedProgram | undefined;
  let configs = 0;
  const kubeconfig = (user: string, groups: readonly string[] = []): string => {
    const path = file(`kubeconfig-${++configs}`);
    const { certificate, key, ca } = certificates.client(user, groups);
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster: { server: url, 'certificate-authority-data': base64(ca) } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user } }],
      users: [
        {
          name: user,
          user: { 'client-certificate-data': base64(certificate), 'client-key-data': base64(key) },
        },
      ],
    };
    writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
    return path;
  };
  const admin = kubeconfig('admin', ['system:masters']);
  const ca = readFileSync(certificates.caFile);
  const startApiServer = async (): Promise<void> => {
    const started = startProgram(apiServer);
    running = started;
    await Promise.race([
      until('the API server is ready', () => isReady(apiPort, ca), Boolean, START_TIMEOUT_MS),
      started.ended.then((code) => {
        throw new Error(`kube-apiserver ended with ${code}:\n${started.lines.slice(-20).join('\n')}`);
      }),
    ]);
  };
  const others: StartedProgram[] = [];
  const startControllers = async (): Promise<void> => {
    const common = [`--kubeconfig=${admin}`, '--leader-elect=false', '--secure-port=0', '--v=0'];
    others.push(
      startProgram([
        await program(KUBE_CONTROLLER_MANAGER),
        ...common,
        `--controllers=${CONTROLLERS.join(',')}`,
        `--root-ca-file=${certificates.caFile}`,
        `--service-account-private-key-file=${certificates.serviceAccountKeyFile}`,
        '--concurrent-deployment-syncs=2',
      ]),
      startProgram([await program(KUBE_SCHEDULER), ...common]),
    );
  };
  const close = async (): Promise<void> => {
    await Promise.all(others.map((each) => each.kill('SIGKILL')));
    await running?.kill('SIGKILL');
    await etcd.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await startApiServer();
    if (controllers) await startControllers();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    url,
    port: apiPort,
    caFile: certificates.caFile,
    get apiServerPid() {
      return running?.pid ?? 0;
    },
    etcdUrl: `http://127.0.0.1:${clientPort}`,
    kubeconfig,
    kubectl: (args, input) =>
      runKubectl(kubectlPath, ['--kubeconfig', admin, `--cache-dir=${file('cache')}`, ...args], input),
    stopApiServer: async (signal) => void (await running?.kill(signal)),
    startApiServer,
    close,
  };
}

function auditFlags(auditFile: string, policyFile: string): readonly string[] {
  const policy = { apiVersion: 'audit.k8s.io/v1', kind: 'Policy', rules: [{ level: 'Metadata' }] };
  writeFileSync(policyFile, JSON.stringify(policy));
  return [`--audit-policy-file=${policyFile}`, `--audit-log-path=${auditFile}`];
}

async function program(tool: Parameters<typeof goTool>[0]): Promise<string> {
  const found = await goTool(tool);
  if ('missing' in found) throw new Error(found.missing);
  return found.path;
}

/** `/readyz` may be read by everybody: RBAC's defaults say so, once they are there. */
function isReady(port: number, ca: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request({ host: '127.0.0.1', port, ca, path: '/readyz', timeout: 2_000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    sent.once('timeout', () => sent.destroy());
    sent.once('error', () => resolve(false));
    sent.end();
  });
}

function runKubectl(
  path: string,
  args: readonly string[],
  input: string | undefined,
): Promise<KubectlResult> {
  return new Promise((resolve) => {
    const child = execFile(path, [...args], { maxBuffer: 2 ** 26 }, (error, out, err) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      resolve({ code, out, err });
    });
    // It may have ended without reading.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input ?? '');
  });
}
