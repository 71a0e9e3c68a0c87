import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startNats } from '../harness/nats-server.ts';
import { cpuSeconds } from '../harness/process-usage.ts';
import type { LimitsLoad, LimitsPodFigures } from './limits-pod.ts';

/** The line of `npm run bench -- limits`: what sharing limits costs, without the mail. */
export interface LimitsFigures {
  readonly bench: 'limits';
  readonly pods: number;
  readonly destinations: number;
  /** Transactions that were admitted, of all pods. */
  readonly takenPerSecond: number;
  /** Messages on NATS of one pod, sent and received, as client and as leader. */
  readonly messagesPerPodPerSecond: number;
  /** The same for each of the 64 shards, between all pods and its leader. */
  readonly messagesPerShardPerSecond: number;
  /** Of one core. */
  readonly cpuPercentPerPod: number;
  readonly cpuMicrosPerTransaction: number;
  readonly natsCpuPercent: number;
}

const PODS = 3;
const DESTINATIONS = 200;
const MESSAGES_PER_SECOND = 5_000;
const SHARDS = 64;
const WARM_SECONDS = 5;
const POD = fileURLToPath(new URL('limits-pod.ts', import.meta.url));

/** Three processes that take connections and tokens for 200 destinations as fast as 5,000 messages a second need, and a nats-server. */
export async function benchLimits(seconds: number): Promise<LimitsFigures> {
  const nats = await startNats();
  const pods = Array.from({ length: PODS }, () => fork(POD));
  try {
    const warm = Promise.all(pods.map(nextMessage));
    for (const [pod, child] of pods.entries()) {
      const load: LimitsLoad = {
        natsUrl: nats.url,
        pod,
        messagesPerSecond: MESSAGES_PER_SECOND / PODS,
        destinations: DESTINATIONS,
        warmSeconds: WARM_SECONDS,
        seconds,
      };
      child.send(load);
    }
    await warm;
    const before = { messages: await messagesOf(nats.monitor), cpu: cpuSeconds(nats.pid) };
    const ends = Promise.all(pods.map(nextMessage));
    await new Promise((resolve) => setTimeout(resolve, (seconds - 1) * 1_000));
    const messages = (await messagesOf(nats.monitor)) - before.messages;
    const natsCpu = cpuSeconds(nats.pid) - before.cpu;
    const figures = (await ends).filter(isFigures);
    const sum = (of: (each: LimitsPodFigures) => number): number =>
      figures.reduce((total, each) => total + of(each), 0);
    return {
      bench: 'limits',
      pods: PODS,
      destinations: DESTINATIONS,
      takenPerSecond: Math.round(sum(({ taken }) => taken) / seconds),
      messagesPerPodPerSecond: Math.round(messages / PODS / (seconds - 1)),
      messagesPerShardPerSecond: Number((messages / 2 / SHARDS / (seconds - 1)).toFixed(1)),
      cpuPercentPerPod: Number(((100 * sum((each) => each.cpuSeconds)) / PODS / seconds).toFixed(1)),
      cpuMicrosPerTransaction: Number(
        ((1e6 * sum((each) => each.cpuSeconds)) / sum(({ taken }) => taken)).toFixed(1),
      ),
      natsCpuPercent: Number(((100 * natsCpu) / (seconds - 1)).toFixed(1)),
    };
  } finally {
    for (const pod of pods) pod.kill();
    await nats.close();
  }
}

function nextMessage(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`a pod ended with ${code}`)));
    child.once('message', resolve);
  });
}

function isFigures(value: unknown): value is LimitsPodFigures {
  return typeof value === 'object' && value !== null && 'cpuSeconds' in value;
}

/** Messages that all clients of a server sent and got so far. */
async function messagesOf(monitor: string): Promise<number> {
  const facts: unknown = await (await fetch(`${monitor}/varz`)).json();
  const read = (name: string): number => {
    const value =
      typeof facts === 'object' && facts !== null
        ? new Map<string, unknown>(Object.entries(facts)).get(name)
        : 0;
    return typeof value === 'number' ? value : 0;
  };
  return read('in_msgs') + read('out_msgs');
}
