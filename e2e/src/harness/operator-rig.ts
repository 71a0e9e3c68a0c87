import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  ApiClient,
  feedbackPermissions,
  type KubeObject,
  kubeconfigAccess,
  Reflector,
} from '@sluice/operator';
import { type ControlPlane, startControlPlane } from './control-plane.ts';
import { jetStreamSpool, POD_USER } from './jetstream-spec.ts';
import { type NatsServer, startNats } from './nats-server.ts';
import { type OperatorProcess, startOperatorProcess } from './operator-process.ts';
import { mountServiceAccount } from './service-account.ts';
import { resource, type SluiceProcess, startSluice } from './sluice-process.ts';
import { until } from './until.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PASSWORD = 'not a secret';
export const NAMESPACE = 'mail';

/** An API server, a NATS, an operator and pods, each with the rights that the documentation gives them. */
export interface OperatorRig {
  readonly cluster: ControlPlane;
  readonly nats: NatsServer;
  readonly operator: OperatorProcess;
  readonly pods: readonly SluiceProcess[];
  /** EgressPools as the API server tells them. */
  readonly pools: ReadonlyMap<string, KubeObject>;
  /** Called with each change of a pool. */
  onPool: ((name: string) => void) | undefined;
  startPod(name: string): Promise<SluiceProcess>;
  /** `kubectl apply`; fails with its words. */
  apply(...documents: readonly unknown[]): Promise<void>;
  kubectl(...args: readonly string[]): Promise<string>;
  close(): Promise<void>;
}

/** Flags of an operator that may read from NATS what pods run. */
function natsFlags(url: string, directory: string): readonly string[] {
  const file = join(directory, 'operator-password');
  writeFileSync(file, `${PASSWORD}\n`);
  return ['--nats', url, '--nats-user', 'operator', '--nats-password-file', file];
}

/**
 * Starts all of it.
 *
 * Example: `const rig = await startOperatorRig(3); await rig.apply(poolOf('a')); … await rig.close()`
 */
export async function startOperatorRig(podCount: number): Promise<OperatorRig> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-rig-'));
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const each of closers.toReversed()) await each();
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const operatorUser = {
      identity: { user: 'operator', password: PASSWORD },
      permissions: feedbackPermissions('sluice'),
    };
    const nats = await startNats({ users: [POD_USER, operatorUser] });
    closers.push(() => nats.close());
    const cluster = await startControlPlane();
    closers.push(() => cluster.close());
    const kubectl = async (...args: readonly string[]): Promise<string> => {
      const { code, out, err } = await cluster.kubectl(args);
      assert.equal(code, 0, err);
      return out;
    };
    await kubectl('apply', '-f', join(ROOT, 'crds/generated'));
    await kubectl('create', 'namespace', NAMESPACE);
    await kubectl('-n', NAMESPACE, 'apply', '-f', join(ROOT, 'operator/deploy'));
    const bind = ['-n', NAMESPACE, 'create', 'rolebinding'];
    await kubectl(...bind, 'operator', '--role=sluice-operator', '--user=operator');
    await kubectl(...bind, 'pods', '--role=sluice-mta', `--serviceaccount=${NAMESPACE}:pod`);
    const account = await mountServiceAccount(cluster, NAMESPACE, 'pod', join(directory, 'account'));

    const client = new ApiClient(await kubeconfigAccess(cluster.kubeconfig('admin', ['system:masters'])));
    closers.push(async () => client.close());
    const quiet = { debug() {}, info() {}, warn() {}, error() {} };
    const reflector = new Reflector({
      client,
      path: `/apis/sluice.email/v1alpha1/namespaces/${NAMESPACE}/egresspools`,
      onChange: (names) => {
        for (const name of names) rig.onPool?.(name);
      },
      logger: quiet,
      random: Math.random,
      nowMs: () => performance.now(),
    });
    reflector.start();
    closers.push(() => reflector.stop());

    const operator = await startOperatorProcess(cluster.kubeconfig('operator'), NAMESPACE, [
      '--no-providers',
      ...natsFlags(nats.url, directory),
    ]);
    closers.push(() => rig.operator.program.kill('SIGTERM'));
    await operator.leads;
    const pods: SluiceProcess[] = [];
    closers.push(() => Promise.all(pods.map((pod) => pod.kill('SIGKILL'))));
    const startPod = async (name: string): Promise<SluiceProcess> => {
      const pod = await startSluice({
        spec: {
          hostname: `${name}.example`,
          spool: jetStreamSpool([nats.url]),
          resources: { configMaps: { serviceAccountDirectory: account.directory } },
          // Nothing listens there.
          routes: [{ domain: 'a.example', hosts: [{ host: '127.0.0.1', port: 1 }] }],
        },
        resources: {},
        directory: join(directory, name),
        environment: account.environment,
      });
      pods.push(pod);
      return pod;
    };
    const rig: OperatorRig = {
      cluster,
      nats,
      operator,
      pods,
      get pools() {
        return reflector.objects;
      },
      onPool: undefined,
      startPod,
      async apply(...documents) {
        const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: documents });
        const { code, err } = await cluster.kubectl(['-n', NAMESPACE, 'apply', '-f', '-'], list);
        assert.equal(code, 0, err);
      },
      kubectl,
      close,
    };
    for (let index = 0; index < podCount; index++) await startPod(`mta-${index}`);
    await until('the watch of the test is there', () => reflector.synced, Boolean, 10_000);
    return rig;
  } catch (error) {
    await close();
    throw error;
  }
}

/** A pool of one source that says this in EHLO. */
export function poolOf(name: string, ehlo = 'out.example.com', more: object = {}): unknown {
  return resource('EgressPool', name, { sources: [{ name: 's', address: '192.0.2.1', ehlo }], ...more });
}

export interface ReadStatus {
  readonly observedGeneration?: number;
  readonly conditions?: readonly {
    readonly type: string;
    readonly status: string;
    readonly reason: string;
    readonly message: string;
    readonly observedGeneration?: number;
    readonly lastTransitionTime: string;
  }[];
  readonly pods?: { readonly programmed: number; readonly total: number };
  readonly sources?: readonly {
    readonly name: string;
    readonly unreachable?: { readonly way: string; readonly pods: number; readonly reason: string };
    readonly suspensions?: readonly { readonly effect: string; readonly reason: string }[];
  }[];
  readonly suspensions?: readonly { readonly effect: string; readonly reason: string }[];
}

/** The status of an object, empty where there is none. */
export function statusOf(object: KubeObject | undefined): ReadStatus {
  const text = JSON.stringify(object?.status ?? {});
  return JSON.parse(text);
}

/** A condition as `status/reason/observedGeneration`; `''` = there is none. */
export function conditionOf(object: KubeObject | undefined, type: string): string {
  const found = statusOf(object).conditions?.find((condition) => condition.type === type);
  return found === undefined ? '' : `${found.status}/${found.reason}/${found.observedGeneration}`;
}
