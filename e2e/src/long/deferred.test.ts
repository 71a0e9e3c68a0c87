import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Ledger, PROVIDERS, startSink } from '@sluice/mta/sink';
import type { Reference, Spool } from '@sluice/mta/spool';
import { freePorts } from '../harness/free-ports.ts';
import { openFollowed, testSpoolOptions } from '../harness/jetstream-opener.ts';
import { closeAfter } from '../harness/last-first.ts';
import { askable, liveBytes } from '../harness/live-memory.ts';
import { type NatsServer, skipWithoutNats, startNats } from '../harness/nats-server.ts';
import { residentBytes } from '../harness/process-usage.ts';
import { onePool } from '../harness/resources.ts';
import { resource, startSluice } from '../harness/sluice-process.ts';
import { testEnvelope } from '../harness/test-mail.ts';
import { until } from '../harness/until.ts';

const skip = await skipWithoutNats('a million deferred messages; a day with a site down');
const PREFIX = 'sluice';
const GIB = 2 ** 30;
const SPOOL_STREAMS = 4;
const RING_SEGMENTS = 256;
/** Segments that a pod puts new mail on. */
const OPEN_SEGMENTS = 4;
const ROOM = { maxBytes: 6 * GIB, maxDeferredBytes: 4 * GIB, journalBytes: 2 * GIB };
const MESSAGES = Number(process.env.SLUICE_LONG_MESSAGES ?? 1_000_000);
const WORKERS = 512;

function openSpool(nats: NatsServer, moveAfterMs: number): Promise<Spool> {
  return openFollowed(
    testSpoolOptions([nats.url], PREFIX, {
      ...ROOM,
      spoolStreams: SPOOL_STREAMS,
      ringSegments: RING_SEGMENTS,
      openSegments: OPEN_SEGMENTS,
      moveAfterMs,
      lookAtDeferEveryMs: 5_000,
    }),
  );
}

/** Messages in the streams whose name begins so. */
async function countIn(nats: NatsServer, stream: string): Promise<number> {
  const connection = await connect({ servers: nats.url });
  const manager = await jetstreamManager(connection);
  let count = 0;
  for await (const { config, state } of manager.streams.list())
    if (config.name.startsWith(`${PREFIX}-${stream}`)) count += state.messages;
  await connection.close();
  return count;
}

async function inParallel(work: () => Promise<boolean>): Promise<void> {
  await Promise.all(
    Array.from({ length: WORKERS }, async () => {
      while (await work());
    }),
  );
}

async function stored(spool: Spool, recipient: string, body: Buffer): Promise<Reference> {
  const envelope = testEnvelope({
    recipients: [recipient],
    sizeBytes: body.length,
    acceptedAtMs: Date.now(),
  });
  for (;;) {
    const result = await spool.append(envelope, [body]);
    if (!('refused' in result)) return result;
    // Full, or too much under way: as a client does, a little later.
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const deferred = (attempts: number, nextAttemptAtMs: number) => ({
  pending: [0],
  attempts,
  nextAttemptAtMs,
  lastSource: 'ip-1',
  lastReply: { code: 451, enhanced: '4.7.1', text: 'Try again later', host: 'mx.down.example' },
});

test('a million deferred messages: a pod that adopts them delivers the first one within 10 seconds, and its index takes at most 150 MB', {
  skip,
  timeout: 900_000,
}, async (context) => {
  const nats = await startNats({ maxStoreBytes: 40 * GIB });
  closeAfter(context, () => nats.close());
  const fillStartMs = performance.now();
  const spool = await openSpool(nats, 0);
  const body = Buffer.from(`Subject: x\r\n\r\n${'x'.repeat(500)}\r\n`);
  const firstDueMs = Date.now() + 3_600_000;
  let next = 0;
  await inParallel(async () => {
    const number = next++;
    if (number >= MESSAGES) return false;
    const reference = await stored(spool, `u${number}@d${number % 500}.example`, body);
    // A thousand of them are due, the others within the hours to come.
    const dueMs = number % (MESSAGES / 1_000) === 0 ? Date.now() : firstDueMs + number;
    await spool.record([{ kind: 'deferred', reference, group: 0, state: deferred(3, dueMs) }]);
    return true;
  });
  await until(
    'SPOOL is empty',
    () => countIn(nats, 'spool'),
    (count) => count <= 2 * RING_SEGMENTS,
    400_000,
  );
  await spool.close();
  const filledMs = performance.now() - fillStartMs;

  const ledger = new Ledger();
  const sink = await startSink({
    behaviour: PROVIDERS.plain('mx.example'),
    address: '127.0.0.1',
    port: 0,
    ledger,
  });
  closeAfter(context, () => sink.close());
  const [inspector = 0] = await freePorts(1);
  const pod = (prefix: string) =>
    startSluice({
      nodeOptions: askable(inspector),
      spec: {
        routes: [{ domain: '*', hosts: [{ host: sink.address, port: sink.port }] }],
        spool: {
          type: 'JetStream',
          jetstream: {
            servers: [nats.url],
            prefix,
            durability: 'Single',
            spoolStreams: SPOOL_STREAMS,
            maxBytes: '6Gi',
            maxDeferredBytes: '4Gi',
            journalBytes: '2Gi',
          },
        },
      },
      resources: {
        'pool.yaml': onePool(['127.0.5.3']),
        'policy.yaml': [
          resource('ShapingPolicy', 'default', {
            default: { limits: [{ name: 'slow', per: ['Pool'], connections: 2, messageRate: '20/s' }] },
          }),
        ],
      },
    });
  const empty = await pod('empty');
  const idleBytes = residentBytes(empty.pid);
  const idleLiveBytes = await liveBytes(inspector);
  await empty.close();
  const startMs = performance.now();
  const starting = pod(PREFIX);
  closeAfter(context, async () => (await starting).close());
  await until(
    'the first message is delivered',
    () => ledger.totals.delivered,
    (delivered) => delivered > 0,
    60_000,
  );
  const firstMs = performance.now() - startMs;
  const sluice = await starting;
  await until(
    'all of it is adopted',
    async () => JSON.parse(await (await fetch(`${sluice.admin}/pod`)).text()).messages,
    (messages: number) => messages > MESSAGES - 5_000,
    120_000,
  );
  const allMs = performance.now() - startMs;
  const peakBytes = residentBytes(sluice.pid);
  const indexBytes = (await liveBytes(inspector)) - idleLiveBytes;
  // Of what is resident some is kept for later by the allocators: it is told, and not the index.
  const grownBytes = residentBytes(sluice.pid) - idleBytes;
  context.diagnostic(
    `${MESSAGES} filled in ${Math.round(filledMs / 1000)} s; first delivery ${Math.round(firstMs)} ms after the start of the process, all adopted after ${Math.round(allMs)} ms; the index takes ${Math.round(indexBytes / 1e6)} MB; resident ${Math.round(grownBytes / 1e6)} MB above an idle pod (${Math.round(idleBytes / 1e6)} MB), ${Math.round(peakBytes / 1e6)} MB when all was read`,
  );
  assert.ok(firstMs <= 10_000, `the first delivery came after ${Math.round(firstMs)} ms`);
  assert.ok(indexBytes > 20e6 && indexBytes <= 150e6, `${Math.round(indexBytes / 1e6)} MB`);
});

test('after a day with a site down while a million messages passed, SPOOL holds none of its mail and nats-server is back within 10 seconds', {
  skip,
  timeout: 900_000,
}, async (context) => {
  const nats = await startNats({ maxStoreBytes: 40 * GIB });
  closeAfter(context, () => nats.close());
  // Three minutes of a day that is over in one or two.
  const spool = await openSpool(nats, 1_000);
  closeAfter(context, () => spool.close());
  const body = Buffer.from(`Subject: x\r\n\r\n${'x'.repeat(2_000)}\r\n`);
  const delaysS = [300, 900, 1_800, 3_600, 7_200, 14_400];
  interface Waiting {
    readonly reference: Reference;
    readonly isDown: boolean;
    attempts: number;
  }
  /** By the number of the message at whose time they are due, in thousandths of the day. */
  const agenda = new Map<number, Waiting[]>();
  const slotOf = (number: number): number => Math.floor((number / MESSAGES) * 5_000);
  const later = (waiting: Waiting, now: number): void => {
    const delayS = waiting.isDown ? (delaysS[Math.min(waiting.attempts, delaysS.length) - 1] ?? 0) : 600;
    const slot = slotOf(now + (delayS / 86_400) * MESSAGES) + 1;
    const others = agenda.get(slot);
    if (others === undefined) agenda.set(slot, [waiting]);
    else others.push(waiting);
  };
  const attempt = async (waiting: Waiting, now: number): Promise<void> => {
    const { reference, isDown } = waiting;
    assert.equal(await spool.begin(reference, 0), 'go');
    const ends = isDown ? waiting.attempts > 6 && now % 3 === 0 : waiting.attempts > 0;
    if (ends) {
      await spool.record([{ kind: 'done', reference, group: 0 }]);
      return;
    }
    waiting.attempts++;
    const state = deferred(waiting.attempts, Date.now() + 3_600_000);
    await spool.record([{ kind: 'deferred', reference, group: 0, state }]);
    later(waiting, now);
  };
  let next = 0;
  let slot = 0;
  let attempts = 0;
  const startMs = performance.now();
  await inParallel(async () => {
    const number = next++;
    if (number >= MESSAGES) return false;
    while (slot < slotOf(number)) {
      const due = agenda.get(slot) ?? [];
      agenda.delete(slot++);
      attempts += due.length;
      await Promise.all(due.map((waiting) => attempt(waiting, number)));
    }
    const reference = await stored(spool, `u${number}@a.example`, body);
    // 2 % go to the site that is down, 5 % are greylisted.
    const kind = number % 50 === 0 ? 'down' : number % 20 === 1 ? 'greylisted' : 'delivered';
    if (kind === 'delivered') {
      assert.equal(await spool.begin(reference, 0), 'go');
      await spool.record([{ kind: 'done', reference, group: 0 }]);
    } else {
      await attempt({ reference, isDown: kind === 'down', attempts: 0 }, number);
    }
    return true;
  });
  const tookMs = performance.now() - startMs;
  const left = [...agenda.values()].flat();
  await until(
    'nothing old lies in SPOOL',
    () => countIn(nats, 'spool'),
    (count) => count <= 2 * RING_SEGMENTS,
    60_000,
  );
  const inDefer = await until(
    'what is over has left DEFER',
    () => countIn(nats, 'defer'),
    (count) => count <= 2 * left.length + 66 * RING_SEGMENTS,
    60_000,
  );
  const natsBytes = residentBytes(nats.pid);
  await nats.kill('SIGKILL');
  const downMs = performance.now();
  await nats.start();
  const backMs = performance.now() - downMs;
  await until(
    'mail is accepted again',
    async () => !('refused' in (await spool.append(testEnvelope(), [body]))),
    Boolean,
    30_000,
  );
  const acceptsMs = performance.now() - downMs;
  assert.equal(spool.usage().messages >= left.length, true);
  // The site is back.
  await Promise.all(left.map(({ reference }) => spool.record([{ kind: 'done', reference, group: 0 }])));
  context.diagnostic(
    `${MESSAGES} messages and ${attempts} retries in ${Math.round(tookMs / 1000)} s; ${left.length} still wait, ${inDefer} items in DEFER; nats-server (${Math.round(natsBytes / 1e6)} MB) was back ${Math.round(backMs)} ms after kill -9, mail was accepted after ${Math.round(acceptsMs)} ms`,
  );
  assert.ok(backMs < 10_000, `nats-server took ${Math.round(backMs)} ms`);
});
