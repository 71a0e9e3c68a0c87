/**
 * The spool on JetStream alone: append and done of every message, 64 in flight; one JSON line for each size.
 *
 * `node e2e/src/bench/jetstream-spool-bench.ts --replicas 3 --streams 4 --segments 4 --seconds 5 --sizes 2048,102400`
 */
import { parseArgs } from 'node:util';
import type { Outcome, Reference } from '@sluice/mta/spool';
import { openFollowed, testSpoolOptions } from '../harness/jetstream-opener.ts';
import { type NatsServer, startNats, startNatsCluster } from '../harness/nats-server.ts';
import { cpuSeconds } from '../harness/process-usage.ts';
import { testEnvelope } from '../harness/test-mail.ts';

const IN_FLIGHT = 64;
const { values } = parseArgs({
  options: {
    replicas: { type: 'string', default: '1' },
    streams: { type: 'string', default: '4' },
    segments: { type: 'string', default: '4' },
    seconds: { type: 'string', default: '5' },
    sizes: { type: 'string', default: '2048,10240,102400' },
    sync: { type: 'boolean', default: false },
  },
});
const replicated = values.replicas === '3';
const options = { syncAlways: values.sync };
const nodes: readonly NatsServer[] = replicated
  ? await startNatsCluster(options)
  : [await startNats(options)];
const natsCpu = (): number => nodes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);

for (const size of values.sizes.split(',').map(Number)) {
  const spool = await openFollowed(
    testSpoolOptions(
      nodes.map(({ url }) => url),
      `bench-${size}`,
      {
        durability: replicated ? 'Replicated' : 'Single',
        spoolStreams: Number(values.streams),
        openSegments: Number(values.segments),
        ringSegments: Number(values.segments),
        maxBytes: 2 * 2 ** 30,
      },
    ),
  );
  const body = [Buffer.alloc(size, 'x')];
  let stored = 0;
  let refused = 0;
  let longestMs = 0;
  let waiting: Outcome[] = [];
  /** As the pod does: what is done is recorded in batches, one under way at a time. */
  const record = async (): Promise<void> => {
    while (performance.now() < untilMs || waiting.length > 0) {
      const outcomes = waiting;
      waiting = [];
      if (outcomes.length > 0) await spool.record(outcomes);
      else await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const append = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      const sentMs = performance.now();
      const result: Reference | { readonly refused: string } = await spool.append(
        testEnvelope({ sizeBytes: size }),
        body,
      );
      longestMs = Math.max(longestMs, performance.now() - sentMs);
      if ('refused' in result) refused++;
      else {
        stored++;
        waiting.push({ kind: 'done', reference: result, group: 0 });
      }
    }
  };
  const startMs = performance.now();
  const untilMs = startMs + Number(values.seconds) * 1000;
  const ownBefore = process.cpuUsage();
  const natsBefore = natsCpu();
  await Promise.all([record(), ...Array.from({ length: IN_FLIGHT }, append)]);
  const seconds = (performance.now() - startMs) / 1000;
  const own = process.cpuUsage(ownBefore);
  const figures = {
    bench: 'jetstream-spool',
    replicas: nodes.length,
    sync: values.sync,
    streams: Number(values.streams),
    segments: Number(values.segments),
    sizeBytes: size,
    messagesPerSecond: Math.round(stored / seconds),
    cpuMicrosPerMessage: Math.round((own.user + own.system) / stored),
    natsCpuMicrosPerMessage: Math.round(((natsCpu() - natsBefore) / stored) * 1e6),
    longestMs: Math.round(longestMs),
    refused,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  await spool.close();
}
await Promise.all(nodes.map((node) => node.close()));
