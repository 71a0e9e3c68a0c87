import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { blast } from '@sluice/mta/blast';
import { HandClient } from './hand-client.ts';
import { jetStreamSpool, POD_USER } from './jetstream-spec.ts';
import { closeAfter } from './last-first.ts';
import { startNats } from './nats-server.ts';
import { plainPlan } from './plans.ts';
import { residentBytes } from './process-usage.ts';
import { readQueue } from './queue-reader.ts';
import { onePolicy, onePool, routeTo } from './resources.ts';
import { spawnSink } from './sink-process.ts';
import { startSluice } from './sluice-process.ts';
import { until } from './until.ts';

const DOMAIN = 'far.example';
/** Of one client that sends as fast as it is answered. */
const CLIENT_SESSIONS = 20;
/** Of the many that come at a time. */
const CROWD_SESSIONS = 400;
const MEASURED_MESSAGES = 4_000;
/** What a pod may take at most, whatever comes: its own bound for bodies and envelopes, and the program. */
const ALLOWED_BYTES = 700e6;
/** Its clients are slowed, or told to come again; no answer takes longer. */
const LONGEST_ANSWER_MS = 20_000;

/**
 * Twice as much mail as a pod can take comes for so long, from a crowd of clients: its memory stays within bounds, each client is answered, and the
 * pod is as before as soon as they have gone. Prints what was seen.
 */
export async function overload(context: TestContext, seconds: number): Promise<void> {
  const nats = await startNats({ users: [POD_USER] });
  closeAfter(context, () => nats.close());
  const sink = await spawnSink('127.0.0.1');
  closeAfter(context, () => sink.close());
  const sluice = await startSluice({
    spec: {
      routes: [routeTo(DOMAIN, sink)],
      spool: jetStreamSpool([nats.url], { maxBytes: '2Gi' }),
      memory: { maxBytes: '1Gi' },
    },
    resources: {
      'pool.yaml': onePool(['127.0.6.1']),
      'policy.yaml': onePolicy({
        limits: [{ name: 'source-site', per: ['Source', 'Site'], connections: 20 }],
      }),
    },
  });
  closeAfter(context, () => sluice.close());
  const plan = (run: string, messages: number) => plainPlan(run, messages, [DOMAIN], 10_000);
  const calm = await blast({
    target: sluice.smtp,
    sessions: CLIENT_SESSIONS,
    plan: plan('calm', MEASURED_MESSAGES),
  });
  assert.equal(calm.accepted, MEASURED_MESSAGES, calm.lastRefusal);
  const capacity = Math.round(MEASURED_MESSAGES / (calm.elapsedMs / 1_000));
  const idleBytes = residentBytes(sluice.pid);

  let mostBytes = 0;
  let mostQueued = 0;
  const watching = setInterval(() => {
    mostBytes = Math.max(mostBytes, residentBytes(sluice.pid));
  }, 200);
  const asking = setInterval(() => {
    void readQueue(sluice.admin).then(({ entries }) => {
      mostQueued = Math.max(mostQueued, entries);
    });
  }, 2_000);
  const stop = new AbortController();
  const end = setTimeout(() => stop.abort(), seconds * 1_000);
  const offered = 2 * capacity * seconds;
  const crowd = await blast({
    target: sluice.smtp,
    sessions: CROWD_SESSIONS,
    ratePerSecond: 2 * capacity,
    plan: plan('crowd', offered),
    signal: stop.signal,
  });
  clearTimeout(end);
  clearInterval(watching);
  clearInterval(asking);
  const refusals = Object.entries(crowd.refused);
  for (const [code, count] of refusals)
    assert.match(code, /^4\d\d$/, `${count} answers were ${code}: ${crowd.lastRefusal}`);

  // One more client, right afterwards: what the crowd filled up to the brim has room again as soon as its mail leaves.
  const client = new HandClient(sluice.smtp);
  const startMs = performance.now();
  await client.hello();
  const reply = await until(
    'mail is taken again',
    () => client.mail('news@shop.example', [`probe@${DOMAIN}`], 'Subject: x\r\n\r\nx\r\n'),
    (answer) => !answer.startsWith('4'),
    30_000,
  );
  const answeredMs = performance.now() - startMs;
  assert.match(reply, /^250/);
  const expected = MEASURED_MESSAGES + crowd.accepted + 1;
  await until(
    'everything that was accepted has arrived',
    () => sink.delivered(),
    (delivered) => delivered === expected,
    60_000,
  );
  const emptyMs = performance.now() - startMs;
  context.diagnostic(
    `${capacity}/s is what one client gets; ${2 * capacity}/s for ${seconds} s: ${Math.round(crowd.accepted / (crowd.elapsedMs / 1_000))}/s accepted, refused ${JSON.stringify(crowd.refused)}, answers ${Math.round(crowd.latencyMs.p50)} ms in the middle, ${Math.round(crowd.latencyMs.max)} ms at most; ${Math.round(idleBytes / 1e6)} MB before, ${Math.round(mostBytes / 1e6)} MB at most, ${mostQueued} queued at most; afterwards mail was taken after ${Math.round(answeredMs)} ms, and everything had arrived after ${Math.round(emptyMs)} ms`,
  );
  assert.ok(mostBytes <= ALLOWED_BYTES, `${Math.round(mostBytes / 1e6)} MB`);
  // What is taken faster than it can be sent may be queued, or slowed, or told to come again.
  assert.ok(mostQueued > capacity || crowd.accepted < offered, 'the crowd was more than the pod can send');
  assert.ok(crowd.latencyMs.max <= LONGEST_ANSWER_MS, `an answer took ${crowd.latencyMs.max} ms`);
}
