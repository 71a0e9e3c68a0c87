import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';

const MAIN = fileURLToPath(import.meta.resolve('@sluice/mta/main'));

export interface SluiceSetup {
  /** `spec` of sluice.yaml; the spool, the resources directory and the listeners are filled in when absent. */
  readonly spec: Readonly<Record<string, unknown>>;
  /** EgressPools and ShapingPolicies: file name → documents. */
  readonly resources: Readonly<Record<string, readonly unknown[]>>;
  /** The provider library; default `Disabled`, so that a case says all limits that it is about. */
  readonly providers?: 'Enabled' | 'Disabled';
  /** Directory to use instead of a new temporary one; kept when the process ends. */
  readonly directory?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly nodeOptions?: readonly string[];
  /** After `run --config …`. */
  readonly args?: readonly string[];
  /** Told its process id before it is up. */
  readonly onSpawned?: (pid: number) => void;
  /** Command that starts it, as `nsenter` does; its process becomes the program. */
  readonly prefix?: readonly string[];
}

/** A running `sluice run`. */
export interface SluiceProcess {
  readonly pid: number;
  readonly directory: string;
  readonly smtp: { readonly host: string; readonly port: number };
  readonly admin: string;
  /** Lines of its log so far. */
  readonly log: readonly string[];
  /** Writes a resource file; takes effect while it runs. */
  writeResources(name: string, documents: readonly unknown[]): void;
  /** Resolves when it has ended, with its exit code; `null` = a signal ended it. */
  readonly ended: Promise<number | null>;
  kill(signal: NodeJS.Signals): Promise<number | null>;
  /** SIGTERM, waits, removes the temporary directory. */
  close(): Promise<void>;
}

/** A resource as YAML documents want it. */
export function resource(kind: 'EgressPool' | 'ShapingPolicy', name: string, spec: unknown): unknown {
  return { apiVersion: 'sluice.email/v1alpha1', kind, metadata: { name }, spec };
}

/**
 * Starts `sluice run` with a configuration of its own and waits until it listens.
 *
 * Example: `const sluice = await startSluice({ spec: {}, resources: { 'pool.yaml': [resource('EgressPool', 'main', …)] } });`
 */
export async function startSluice(setup: SluiceSetup): Promise<SluiceProcess> {
  const directory = setup.directory ?? mkdtempSync(join(tmpdir(), 'sluice-'));
  const resources = join(directory, 'resources');
  mkdirSync(resources, { recursive: true });
  const writeResources = (name: string, documents: readonly unknown[]): void =>
    writeFileSync(join(resources, name), documents.map((document) => stringify(document)).join('---\n'));
  for (const [name, documents] of Object.entries(setup.resources)) writeResources(name, documents);
  const config = join(directory, 'sluice.yaml');
  writeFileSync(
    config,
    stringify({
      apiVersion: 'sluice.email/v1alpha1',
      kind: 'MtaConfig',
      spec: withDefaults(setup, directory),
    }),
  );

  // The program as users start it: its first line chooses the flags, the PATH this process' Node.
  const [program = MAIN, ...before] = [...(setup.prefix ?? []), MAIN];
  const child = spawn(program, [...before, 'run', '--config', config, ...(setup.args ?? [])], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}`,
      NODE_OPTIONS: (setup.nodeOptions ?? []).join(' '),
      ...setup.environment,
    },
  });
  if (child.pid !== undefined) setup.onSpawned?.(child.pid);
  // Nobody else would end it if this process did not get to `close`.
  const killWithUs = (): void => void child.kill('SIGKILL');
  process.once('exit', killWithUs);
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  void ended.then(() => process.off('exit', killWithUs));
  const log: string[] = [];
  const listening = await waitForListeners(child, log);
  return {
    pid: child.pid ?? 0,
    directory,
    smtp: listening.smtp,
    admin: `http://${listening.admin.host}:${listening.admin.port}`,
    log,
    writeResources,
    ended,
    kill: (signal) => kill(child, signal),
    close: async () => {
      await kill(child, 'SIGTERM');
      if (setup.directory === undefined) rmSync(directory, { recursive: true, force: true });
    },
  };
}

function withDefaults(
  { spec, providers = 'Disabled' }: SluiceSetup,
  directory: string,
): Record<string, unknown> {
  return {
    listeners: {
      smtp: [{ name: 'smtp', address: '127.0.0.1:0', relayNetworks: ['127.0.0.0/8'] }],
      admin: { address: '127.0.0.1:0' },
    },
    spool: { type: 'SQLite', sqlite: { path: join(directory, 'spool.sqlite') } },
    resources: { directory: join(directory, 'resources'), providers },
    targets: { allow: ['127.0.0.0/8'] },
    // Most senders of tests have no home: reports to them would be looked up in the world's DNS.
    dsn: { reports: 'OnRequest' },
    ...spec,
  };
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** `run` logs one line `listening` for each listener. */
function waitForListeners(child: ChildProcess, log: string[]): Promise<{ smtp: Endpoint; admin: Endpoint }> {
  return new Promise((resolve, reject) => {
    const found: { smtp?: Endpoint; admin?: Endpoint } = {};
    const onLine = (line: string): void => {
      log.push(line);
      if (log.length > 5000) log.shift();
      if (!line.includes('"listening"')) return;
      const { listener, address, port, worker } = JSON.parse(line);
      // One of several: the process above them tells when all listen.
      if (worker !== undefined) return;
      if (listener === 'admin') found.admin = { host: address, port };
      else found.smtp ??= { host: address, port };
      if (found.smtp !== undefined && found.admin !== undefined)
        resolve({ smtp: found.smtp, admin: found.admin });
    };
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', onLine);
    }
    child.once('exit', (code) =>
      reject(new Error(`sluice run ended with ${code}:\n${log.slice(-20).join('\n')}`)),
    );
  });
}

function kill(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve(child.exitCode);
    child.once('exit', (code) => resolve(code));
    child.kill(signal);
  });
}
