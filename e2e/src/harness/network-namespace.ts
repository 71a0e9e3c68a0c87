import { execFileSync } from 'node:child_process';
import { existsSync, readlinkSync } from 'node:fs';
import { type StartedProgram, startProgram } from './started-program.ts';
import { until } from './until.ts';

/** Why this process cannot make network namespaces, for a test's `skip`; `undefined` = it can. */
export function whyNoNamespaces(): string | undefined {
  if (process.getuid?.() !== 0) return 'this is not root';
  for (const program of ['/usr/bin/unshare', '/usr/bin/nsenter'])
    if (!existsSync(program)) return `${program} is not here`;
  try {
    execFileSync('unshare', ['--net', 'ip', 'link', 'set', 'lo', 'up'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `network namespaces cannot be made (${error instanceof Error ? error.message.trim() : String(error)})`;
  }
}

/** A network of a test's own, with its own loopback; gone when it is closed, or with the test's process. */
export class NetworkNamespace {
  readonly #holder: StartedProgram;

  private constructor(holder: StartedProgram) {
    this.#holder = holder;
  }

  /** It ends by itself after so long at the latest. */
  static async create(atMostSeconds = 600): Promise<NetworkNamespace> {
    const own = readlinkSync('/proc/self/ns/net');
    const holder = startProgram(['unshare', '--net', 'sleep', String(atMostSeconds)]);
    await until(
      'the namespace is there',
      () => readlinkSync(`/proc/${holder.pid}/ns/net`),
      (namespace) => namespace !== own,
      5_000,
    );
    const made = new NetworkNamespace(holder);
    made.run('ip link set lo up');
    return made;
  }

  /** Begins a command that shall run inside; its process becomes the program. */
  get prefix(): readonly string[] {
    return ['nsenter', '-t', String(this.#holder.pid), '-n'];
  }

  get pid(): number {
    return this.#holder.pid;
  }

  /** Runs a command inside; `input` is its standard input. */
  run(command: string, input = ''): string {
    const [program = '', ...flags] = [...this.prefix, ...command.split(' ')];
    return execFileSync(program, flags, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] });
  }

  /** A pair of network cards between this namespace and another one, each with its name and addresses. */
  link(own: { name: string; addresses: readonly string[] }, other: NetworkNamespace, far: typeof own): void {
    this.run(`ip link add ${own.name} type veth peer name ${far.name} netns ${other.pid}`);
    for (const [namespace, end] of [
      [this, own],
      [other, far],
    ] as const) {
      for (const address of end.addresses) namespace.run(`ip address add ${address} dev ${end.name}`);
      namespace.run(`ip link set ${end.name} up`);
    }
  }

  async close(): Promise<void> {
    await this.#holder.kill('SIGKILL');
  }
}
