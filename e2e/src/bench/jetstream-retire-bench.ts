/**
 * What it costs nats-server to retire mail: purge of a segment up to a sequence, or a delete for each message.
 *
 * `node e2e/src/bench/jetstream-retire-bench.ts --replicas 1 --messages 40000`
 */
import { parseArgs } from 'node:util';
import { DiscardPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { startNats, startNatsCluster } from '../harness/nats-server.ts';
import { cpuSeconds } from '../harness/process-usage.ts';

const SIZE_BYTES = 2_048;
const SEGMENTS = 4;
const { values } = parseArgs({
  options: { replicas: { type: 'string', default: '1' }, messages: { type: 'string', default: '40000' } },
});
const nodes = values.replicas === '3' ? await startNatsCluster() : [await startNats()];
const messages = Number(values.messages);
const connection = await connect({ servers: nodes.map(({ url }) => url), noAsyncTraces: true });
const manager = await jetstreamManager(connection);
const client = jetstream(connection);
const natsCpu = (): number => nodes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);

/** Runs tasks with so many under way at a time. */
async function inParallel(
  count: number,
  atATime: number,
  run: (index: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: atATime }, worker));
}

const ways: Readonly<Record<string, (stream: string) => Promise<void>>> = {
  'purge, 4 segments, 20 steps': async (stream) => {
    for (let step = 1; step <= 20; step++) {
      const seq = Math.floor((messages * step) / 20) + 1;
      for (let segment = 0; segment < SEGMENTS; segment++)
        await manager.streams.purge(stream, { filter: `${stream}.${segment}.>`, seq });
    }
  },
  'delete, 128 under way': (stream) =>
    inParallel(messages, 128, (index) => manager.streams.deleteMessage(stream, index + 1, false)),
};

for (const [number, [way, retire]] of Object.entries(ways).entries()) {
  const stream = `retire${number}`;
  await manager.streams.add({
    name: stream,
    subjects: [`${stream}.>`],
    num_replicas: nodes.length,
    discard: DiscardPolicy.New,
  });
  const body = new Uint8Array(SIZE_BYTES);
  await inParallel(messages, 128, (index) => client.publish(`${stream}.${index % SEGMENTS}.1`, body));
  const before = natsCpu();
  const startMs = performance.now();
  await retire(stream);
  const seconds = (performance.now() - startMs) / 1000;
  const left = (await manager.streams.info(stream)).state.messages;
  const figures = {
    bench: 'jetstream-retire',
    replicas: nodes.length,
    way,
    messages,
    left,
    messagesPerSecond: Math.round(messages / seconds),
    natsCpuMicrosPerMessage: Math.round(((natsCpu() - before) / messages) * 1e7) / 10,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}
await connection.close();
await Promise.all(nodes.map((node) => node.close()));
