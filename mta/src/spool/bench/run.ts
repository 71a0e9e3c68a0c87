/**
 * Cost of the SQLite spool alone: append and done of every message, as the pod does it (outcomes gathered while the ones
 * before are recorded). CPU is that of the whole process, the store's thread included. `longestTurnMs` is how long the
 * event loop, and so every SMTP session, stood still.
 *
 * `node mta/src/spool/bench/run.ts [worker|in-thread] [--rounds N] [--in-flight N] [--sizes 2048,102400]` → one JSON line per size.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import type { Outcome, Spool } from '../spool.ts';
import { openSqliteSpool } from '../sqlite-spool.ts';
import { benchEnvelope } from './envelope.ts';
import { openInThread } from './in-thread-spool.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '3' },
    'in-flight': { type: 'string', default: '64' },
    sizes: { type: 'string', default: '2048,10240,102400' },
    bytes: { type: 'string', default: '160' },
  },
});
const rounds = Number(values.rounds);
const inFlight = Number(values['in-flight']);
const CHUNK_BYTES = 64 * 1024;

type Store = Pick<Spool, 'append' | 'record' | 'close'>;

for (const design of positionals.length === 0 ? ['worker', 'in-thread'] : positionals) {
  for (const sizeBytes of values.sizes.split(',').map(Number)) {
    const messages = Math.min(60_000, Math.floor((Number(values.bytes) * 1024 * 1024) / sizeBytes));
    const figures = [];
    for (let round = 0; round < rounds; round++) figures.push(await measure(design, sizeBytes, messages));
    figures.sort((a, b) => a.cpuMicrosPerMessage - b.cpuMicrosPerMessage);
    const median = figures[figures.length >> 1];
    console.log(JSON.stringify({ bench: 'spool', design, sizeBytes, messages, inFlight, ...median }));
  }
}

async function measure(design: string, sizeBytes: number, messages: number) {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-spool-bench-'));
  const path = join(directory, 'spool.sqlite');
  const store: Store =
    design === 'worker' ? await openSqliteSpool({ path, minFreeBytes: 0 }) : openInThread(path);
  await relay(store, sizeBytes, Math.ceil(messages / 4));
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startedAt = performance.now();
  const before = process.cpuUsage();
  await relay(store, sizeBytes, messages);
  const cpu = process.cpuUsage(before);
  const seconds = (performance.now() - startedAt) / 1000;
  delay.disable();
  await store.close();
  rmSync(directory, { recursive: true });
  return {
    perSecond: Math.round(messages / seconds),
    cpuMicrosPerMessage: Number(((cpu.user + cpu.system) / messages).toFixed(1)),
    userMicrosPerMessage: Number((cpu.user / messages).toFixed(1)),
    p99TurnMs: Number((delay.percentile(99) / 1e6).toFixed(1)),
    longestTurnMs: Number((delay.max / 1e6).toFixed(1)),
    rssMb: Math.round(process.memoryUsage.rss() / 1024 / 1024),
  };
}

/** Every message is appended and, once durable, recorded as done; resolves when all is durable. */
async function relay(store: Store, sizeBytes: number, messages: number): Promise<void> {
  const bytes = Buffer.alloc(sizeBytes, 'The quick brown fox jumps over the lazy dog. 0123456789\r\n');
  let started = 0;
  let outcomes: Outcome[] = [];
  let recording: Promise<void> | undefined;

  async function record(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (outcomes.length > 0) {
      const batch = outcomes;
      outcomes = [];
      const { mismatched } = await store.record(batch);
      if (mismatched > 0) throw new Error(`${mismatched} outcomes named nothing`);
    }
    recording = undefined;
  }

  async function session(): Promise<void> {
    while (started < messages) {
      started++;
      const body = [];
      for (let at = 0; at < sizeBytes; at += CHUNK_BYTES) body.push(bytes.subarray(at, at + CHUNK_BYTES));
      const stored = await store.append(benchEnvelope(sizeBytes), body);
      if ('refused' in stored) throw new Error(stored.reason);
      outcomes.push({ kind: 'done', reference: stored, group: 0 });
      recording ??= record();
    }
  }

  await Promise.all(Array.from({ length: inFlight }, session));
  await recording;
}
