import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ApiClient, kubeconfigAccess } from '@sluice/operator';
import { z } from 'zod';
import { startContainer } from './container-process.ts';
import type { ControlPlane } from './control-plane.ts';
import type { NetworkNamespace } from './network-namespace.ts';
import { PodNetwork, type ServiceRoute } from './pod-network.ts';
import { type Container, type Pod, podListSchema } from './pod-spec.ts';
import { writeVolumes } from './pod-volumes.ts';
import type { StartedProgram } from './started-program.ts';

const NODE = 'node-1';
const LOOK_MS = 300;

/** A container that runs, or ran. */
export interface RunningContainer {
  readonly name: string;
  program: StartedProgram;
  ready: boolean;
  restarts: number;
}

/** A pod of this node. */
export interface RunningPod {
  pod: Pod;
  readonly address: string;
  readonly network: NetworkNamespace;
  readonly containers: RunningContainer[];
  ending: boolean;
}

const serviceList = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string(), namespace: z.string() }),
      spec: z.object({
        clusterIP: z.string(),
        selector: z.record(z.string(), z.string()).optional(),
        publishNotReadyAddresses: z.boolean().default(false),
        ports: z.array(z.object({ port: z.number(), targetPort: z.union([z.string(), z.number()]) })),
      }),
    }),
  ),
});
type Service = z.infer<typeof serviceList>['items'][number];

/**
 * A small kubelet for one node: pods that the real scheduler gives it run as processes, with their volumes, tokens, probes, restarts, grace and hooks; their status goes to the API server.
 * It leaves out images, init containers, resources and everything else that the chart does not use.
 *
 * Example: `const kubelet = await ProcessKubelet.start(cluster, directory, ['/tools/nats']); … kubelet.pods('app.kubernetes.io/component', 'mta')`
 */
export class ProcessKubelet {
  readonly #cluster: ControlPlane;
  /** Not kubectl for what is done all the time: it takes a tenth of a second of CPU. */
  readonly #client: ApiClient;
  readonly #directory: string;
  readonly #programs: readonly string[];
  readonly #network: PodNetwork;
  readonly #hostsFile: string;
  readonly #pods = new Map<string, RunningPod>();
  readonly #statuses = new Map<string, string>();
  #stopped = false;
  #loop: Promise<void> = Promise.resolve();
  #routes = '';
  /** What went wrong, for the message of a test that fails. */
  readonly troubles: string[] = [];

  private constructor(
    cluster: ControlPlane,
    client: ApiClient,
    directory: string,
    programs: readonly string[],
  ) {
    this.#cluster = cluster;
    this.#client = client;
    this.#directory = directory;
    this.#programs = programs;
    this.#network = new PodNetwork(cluster.port);
    this.#hostsFile = join(directory, 'hosts');
    writeFileSync(this.#hostsFile, '127.0.0.1 localhost\n');
  }

  /** @param programs directories with what images have beside this repository */
  static async start(
    cluster: ControlPlane,
    directory: string,
    programs: readonly string[],
  ): Promise<ProcessKubelet> {
    const client = new ApiClient(await kubeconfigAccess(cluster.kubeconfig('kubelet', ['system:masters'])));
    const kubelet = new ProcessKubelet(cluster, client, directory, programs);
    await kubelet.#register();
    kubelet.#loop = kubelet.#run();
    return kubelet;
  }

  /** Pods that run, by a label. */
  pods(label: string, value: string): readonly RunningPod[] {
    return [...this.#pods.values()].filter(({ pod }) => pod.metadata.labels[label] === value);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
    this.#client.close();
    await Promise.all(
      [...this.#pods.values()].map(async ({ containers, network }) => {
        await Promise.all(containers.map(({ program }) => program.kill('SIGKILL')));
        await network.close();
      }),
    );
  }

  async #register(): Promise<void> {
    const node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: NODE, labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/hostname': NODE } },
    };
    await this.#kubectl(['create', '-f', '-'], JSON.stringify(node));
    const size = { cpu: '64', memory: '64Gi', pods: '110', 'ephemeral-storage': '100Gi' };
    const ready = { type: 'Ready', status: 'True', reason: 'KubeletReady' };
    const status = { capacity: size, allocatable: size, conditions: [ready] };
    await this.#kubectl(['patch', 'node', NODE, '--subresource=status', '-p', JSON.stringify({ status })]);
    // No controller of this cluster takes away the taint of a node that has not been seen yet.
    await this.#kubectl(['patch', 'node', NODE, '--type=merge', '-p', '{"spec":{"taints":null}}']);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#look();
      } catch (error) {
        this.troubles.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  async #look(): Promise<void> {
    const [pods, services] = await Promise.all([
      this.#ask('GET', '/api/v1/pods', { query: { fieldSelector: `spec.nodeName=${NODE}` } }),
      this.#ask('GET', '/api/v1/services', {}),
    ]);
    const { items } = podListSchema.parse(pods);
    for (const pod of items) {
      const { uid, deletionTimestamp } = pod.metadata;
      const running = this.#pods.get(uid);
      if (running === undefined && deletionTimestamp === undefined) await this.#begin(pod);
      else if (running !== undefined && deletionTimestamp !== undefined && !running.ending)
        void this.#end(running);
    }
    this.#serve(serviceList.parse(services).items);
    for (const running of this.#pods.values()) await this.#tend(running);
  }

  async #begin(pod: Pod): Promise<void> {
    const directory = this.#place(pod);
    mkdirSync(directory, { recursive: true });
    // Before anything is kept: what is missing (a ConfigMap) is looked for again, as a kubelet does.
    await writeVolumes(this.#cluster, pod, join(directory, 'volumes'));
    const { namespace: network, address } = await this.#network.addPod();
    const running: RunningPod = { pod, address, network, containers: [], ending: false };
    this.#pods.set(pod.metadata.uid, running);
    for (const container of all(pod))
      running.containers.push({
        name: container.name,
        program: this.#start(running, container),
        ready: container.readinessProbe === undefined,
        restarts: 0,
      });
  }

  #start({ pod, network }: RunningPod, container: Container): StartedProgram {
    const directory = this.#place(pod);
    return startContainer({
      pod,
      container,
      network,
      volumes: join(directory, 'volumes'),
      directory: join(directory, container.name),
      hostsFile: this.#hostsFile,
      programs: this.#programs,
    });
  }

  #place({ metadata: { namespace, name } }: Pod): string {
    return join(this.#directory, `${namespace}-${name}`);
  }

  /** Probes, restarts, status. */
  async #tend(running: RunningPod): Promise<void> {
    const { pod, containers, address } = running;
    if (running.ending) return;
    for (const container of containers) {
      const spec = all(pod).find(({ name }) => name === container.name);
      if (spec === undefined) continue;
      if (container.program.code !== undefined && pod.spec.restartPolicy !== 'Never') {
        this.troubles.push(
          `${pod.metadata.name}/${container.name} ended: ${container.program.lines.slice(-12).join('\n  ')}`,
        );
        container.restarts++;
        container.program = this.#start(running, spec);
      }
      const probe = spec.readinessProbe?.httpGet;
      if (probe !== undefined)
        container.ready = await isReady(`http://${address}:${portOf(spec, probe.port)}${probe.path}`);
    }
    await this.#tell(running);
  }

  async #tell({ pod, containers, address }: RunningPod): Promise<void> {
    const { uid, name, namespace } = pod.metadata;
    const codes = containers.map(({ program }) => program.code);
    const isOver = pod.spec.restartPolicy === 'Never' && codes.every((code) => code !== undefined);
    const phase = isOver ? (codes.every((code) => code === 0) ? 'Succeeded' : 'Failed') : 'Running';
    const allReady = !isOver && containers.every(({ ready }) => ready);
    const known = `${phase} ${allReady} ${containers.map(({ ready, restarts }) => `${ready}${restarts}`)}`;
    if (this.#statuses.get(uid) === known) return;
    this.#statuses.set(uid, known);
    const startedAt = '2026-01-01T00:00:00Z';
    const conditions = ['Initialized', 'ContainersReady', 'Ready'].map((type) => ({
      type,
      status: type === 'Initialized' || allReady ? 'True' : 'False',
      lastTransitionTime: startedAt,
    }));
    const isInit = (name: string): boolean => pod.spec.initContainers.some((each) => each.name === name);
    const statuses = containers.map(({ name, ready, restarts, program }) => ({
      name,
      ready,
      started: true,
      restartCount: restarts,
      image: name,
      imageID: name,
      state: isOver
        ? { terminated: { exitCode: program.code ?? 1, startedAt, finishedAt: startedAt } }
        : { running: { startedAt } },
    }));
    const status = {
      phase,
      podIP: address,
      podIPs: [{ ip: address }],
      startTime: startedAt,
      conditions,
      containerStatuses: statuses.filter(({ name }) => !isInit(name)),
      initContainerStatuses: statuses.filter(({ name }) => isInit(name)),
    };
    await this.#ask('PATCH', `/api/v1/namespaces/${namespace}/pods/${name}/status`, {
      body: { status },
      contentType: 'application/strategic-merge-patch+json',
    });
  }

  /** Hook, SIGTERM, grace, SIGKILL; then it is gone. */
  async #end(running: RunningPod): Promise<void> {
    running.ending = true;
    const { pod, containers, network } = running;
    const { uid, name, namespace, deletionGracePeriodSeconds = 30 } = pod.metadata;
    const late = setTimeout(() => {
      this.troubles.push(`${name} was killed: it did not end within ${deletionGracePeriodSeconds} s`);
      for (const { program } of containers) void program.kill('SIGKILL');
    }, deletionGracePeriodSeconds * 1_000);
    try {
      const isSidecar = ({ name }: RunningContainer): boolean =>
        pod.spec.initContainers.some((each) => each.name === name);
      await Promise.all(containers.filter((each) => !isSidecar(each)).map((each) => endContainer(pod, each)));
      await Promise.all(containers.filter(isSidecar).map((each) => endContainer(pod, each)));
      await network.close();
      this.#pods.delete(uid);
      await this.#ask('DELETE', `/api/v1/namespaces/${namespace}/pods/${name}`, {
        query: { gracePeriodSeconds: '0' },
      });
    } catch (error) {
      this.troubles.push(String(error));
    } finally {
      clearTimeout(late);
    }
  }

  /** Names and addresses of Services, for pods that select nothing but what is ready. */
  #serve(services: readonly Service[]): void {
    const hosts = ['127.0.0.1 localhost'];
    const routes: ServiceRoute[] = [];
    for (const { metadata, spec } of services) {
      const { selector, publishNotReadyAddresses, clusterIP } = spec;
      if (selector === undefined) continue;
      const chosen = [...this.#pods.values()].filter(
        ({ pod, ending, containers }) =>
          pod.metadata.namespace === metadata.namespace &&
          Object.entries(selector).every(([name, value]) => pod.metadata.labels[name] === value) &&
          (publishNotReadyAddresses || (!ending && containers.every(({ ready }) => ready))),
      );
      const name = `${metadata.name}.${metadata.namespace}.svc.cluster.local`;
      if (clusterIP === 'None') for (const { address } of chosen) hosts.push(`${address} ${name}`);
      else {
        hosts.push(`${clusterIP} ${name}`);
        for (const { port, targetPort } of spec.ports)
          routes.push({
            address: clusterIP,
            port,
            targets: chosen.map(({ pod, address }) => ({ address, port: portAmong(pod, targetPort) })),
          });
      }
    }
    const text = JSON.stringify({ hosts, routes });
    if (text === this.#routes) return;
    this.#routes = text;
    writeFileSync(this.#hostsFile, `${hosts.join('\n')}\n`);
    this.#network.route(routes);
  }

  async #ask(
    method: 'GET' | 'PATCH' | 'DELETE',
    path: string,
    more: Omit<Parameters<ApiClient['json']>[0], 'method' | 'path'>,
  ): Promise<unknown> {
    const result = await this.#client.json({ method, path, ...more });
    if (!result.ok) throw new Error(`${method} ${path}: ${result.message}`);
    return result.body;
  }

  async #kubectl(args: readonly string[], input?: string): Promise<string> {
    const { code, out, err } = await this.#cluster.kubectl(args, input);
    if (code !== 0) throw new Error(`kubectl ${args.join(' ').slice(0, 100)}: ${err}`);
    return out;
  }
}

/** Sidecars begin before the others and end after them. */
const all = ({ spec }: Pod): readonly Container[] => [...spec.initContainers, ...spec.containers];

async function endContainer(pod: Pod, { name, program }: RunningContainer): Promise<void> {
  const spec = all(pod).find((each) => each.name === name);
  const seconds = spec?.lifecycle?.preStop?.sleep?.seconds ?? 0;
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  await program.kill('SIGTERM');
}

async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(3_000) })).ok;
  } catch {
    return false;
  }
}

function portOf({ ports }: Container, port: string | number): number {
  return typeof port === 'number' ? port : (ports.find(({ name }) => name === port)?.containerPort ?? 0);
}

function portAmong({ spec }: Pod, port: string | number): number {
  return spec.containers.map((container) => portOf(container, port)).find((found) => found !== 0) ?? 0;
}
