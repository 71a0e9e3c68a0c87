import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { blast } from '@sluice/mta/blast';
import { type Behaviour, type Sink, startSink } from '@sluice/mta/sink';
import { EVENTS_FILE } from './event-reader.ts';
import { jetStreamSpool, POD_USER } from './jetstream-spec.ts';
import { closeAfter } from './last-first.ts';
import { type NatsServer, startNats } from './nats-server.ts';
import { plainPlan } from './plans.ts';
import { onePolicy, onePool, routeTo } from './resources.ts';
import { type SluiceProcess, startSluice } from './sluice-process.ts';

const MAIN = fileURLToPath(import.meta.resolve('@sluice/mta/main'));

/** All mail of a group of pods goes there. */
export const GROUP_DOMAIN = 'group.example';

/** Pods on one NATS that send from one address, by one policy, to one host: what holds for one must hold for all together. */
export interface PodGroup {
  readonly nats: NatsServer;
  readonly host: Sink;
  start(): Promise<SluiceProcess>;
  /** Resolves with how many messages were accepted. */
  send(pod: SluiceProcess, run: string, messages: number): Promise<number>;
}

/** Example: `const group = await startGroup(context, PROVIDERS.yahoo('mta5.example'), { limits, reactions })` */
export async function startGroup(
  context: TestContext,
  behaviour: Behaviour,
  layer: Readonly<Record<string, unknown>>,
): Promise<PodGroup> {
  const nats = await startNats({ users: [POD_USER] });
  closeAfter(context, () => nats.close());
  const host = await startSink({ behaviour, address: '127.0.0.1', port: 0 });
  closeAfter(context, () => host.close());
  return {
    nats,
    host,
    async start() {
      const pod = await startSluice({
        spec: {
          routes: [routeTo(GROUP_DOMAIN, host)],
          events: { file: EVENTS_FILE },
          spool: jetStreamSpool([nats.url]),
        },
        resources: { 'pool.yaml': onePool(['127.0.5.1']), 'policy.yaml': onePolicy(layer) },
      });
      closeAfter(context, () => pod.close());
      return pod;
    },
    async send(pod, run, messages) {
      const plan = plainPlan(run, messages, [GROUP_DOMAIN]);
      return (await blast({ target: pod.smtp, sessions: 4, plan })).accepted;
    },
  };
}

/** `sluice …` as an operator runs it, against this pod; resolves with what it printed. */
export async function sluiceCommand(pod: SluiceProcess, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(MAIN, [...args, '--admin', new URL(pod.admin).host], {
    env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH ?? ''}` },
  });
  return stdout;
}
