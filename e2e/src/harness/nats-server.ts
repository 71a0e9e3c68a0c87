import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePorts } from './free-ports.ts';
import { goTool, NATS_SERVER } from './go-tool.ts';
import { type NatsNode, natsConfig } from './nats-config.ts';
import { until } from './until.ts';

/** A node of NATS as a process; its store and its ports outlive a restart. */
export interface NatsServer {
  readonly url: string;
  /** Address of its monitoring: `/varz`, `/connz`. */
  readonly monitor: string;
  /** Of the process that runs now; 0 when none does. */
  readonly pid: number;
  /** Where it stores. */
  readonly directory: string;
  /** What it said last. */
  readonly log: readonly string[];
  /** Ends it: SIGKILL = process death, SIGTERM = as an orchestrator does, and waits until it is gone. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** SIGSTOP or SIGCONT: it hangs, its sockets stay open. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void;
  /** Starts it again with the same store, and waits until it listens. */
  start(): Promise<void>;
  /** Kills it if it runs and removes its store. */
  close(): Promise<void>;
}

export type NatsOptions = Omit<NatsNode, 'name' | 'port' | 'monitorPort' | 'storeDirectory' | 'cluster'>;

const START_TIMEOUT_MS = 20_000;

/** Why tests with a nats-server cannot run here, in the words that `skip` shows; `false` = they can. Builds the server if need be. */
export async function skipWithoutNats(notCovered: string): Promise<string | false> {
  const found = await goTool(NATS_SERVER);
  return 'path' in found ? false : `${found.missing}: NOT COVERED: ${notCovered}`;
}

/**
 * Starts one nats-server with JetStream on 127.0.0.1.
 *
 * Example: `const nats = await startNats(); … await nats.close();`
 */
export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const [port = 0, monitorPort = 0] = await freePorts(2);
  const directory = mkdtempSync(join(tmpdir(), 'sluice-nats-'));
  const node = new NatsNodeProcess(directory, {
    ...options,
    name: 'n1',
    port,
    monitorPort,
    storeDirectory: directory,
  });
  await node.start();
  return node;
}

/**
 * Starts a cluster of three on 127.0.0.1 and waits until it has a leader for its metadata.
 *
 * Example: `const nodes = await startNatsCluster(); await nodes[0]?.kill('SIGKILL');`
 */
export async function startNatsCluster(options: NatsOptions = {}): Promise<readonly NatsServer[]> {
  const ports = await freePorts(9);
  const routePorts = ports.slice(6);
  const nodes = [0, 1, 2].map((index) => {
    const directory = mkdtempSync(join(tmpdir(), `sluice-nats-${index}-`));
    return new NatsNodeProcess(directory, {
      ...options,
      name: `n${index + 1}`,
      port: ports[index] ?? 0,
      monitorPort: ports[index + 3] ?? 0,
      storeDirectory: directory,
      cluster: { port: routePorts[index] ?? 0, routePorts },
    });
  });
  await Promise.all(nodes.map((node) => node.start()));
  await until(
    'the cluster has a metadata leader',
    async () => Promise.all(nodes.map((node) => node.healthy())),
    (healthy) => healthy.every(Boolean),
    START_TIMEOUT_MS,
  );
  return nodes;
}

class NatsNodeProcess implements NatsServer {
  readonly url: string;
  readonly monitor: string;
  readonly log: string[] = [];
  readonly directory: string;
  readonly #node: NatsNode;
  #child: ChildProcess | undefined;

  constructor(directory: string, node: NatsNode) {
    this.directory = directory;
    this.#node = node;
    this.url = `nats://127.0.0.1:${node.port}`;
    this.monitor = `http://127.0.0.1:${node.monitorPort}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const found = await goTool(NATS_SERVER);
    if ('missing' in found) throw new Error(found.missing);
    mkdirSync(this.directory, { recursive: true });
    const file = join(this.directory, 'nats-server.conf');
    writeFileSync(file, natsConfig(this.#node));
    const child = spawn(found.path, ['-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    // Nobody else would end it if this process did not get to `close`.
    const killWithUs = (): void => void child.kill('SIGKILL');
    process.once('exit', killWithUs);
    child.once('exit', () => {
      process.off('exit', killWithUs);
      if (this.#child === child) this.#child = undefined;
    });
    createInterface({ input: child.stderr }).on('line', (line) => {
      this.log.push(line);
      if (this.log.length > 500) this.log.shift();
    });
    await until(
      `${this.#node.name} listens`,
      async () => {
        if (this.#child !== child) throw new Error(`nats-server ended:\n${this.log.slice(-10).join('\n')}`);
        return listens(this.#node.port);
      },
      Boolean,
      START_TIMEOUT_MS,
    );
    if (this.#node.cluster === undefined)
      await until('JetStream is ready', () => this.healthy(), Boolean, START_TIMEOUT_MS);
  }

  /** JetStream is up, and in a cluster its metadata have a leader and are current. */
  async healthy(): Promise<boolean> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.#node.monitorPort}/healthz`);
      await response.arrayBuffer();
      return response.ok;
    } catch {
      return false;
    }
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  async close(): Promise<void> {
    await this.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
