import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { blast } from '@sluice/mta/blast';
import { changeTimes, quantile, writes } from '../harness/change-times.ts';
import { skipWithoutControlPlane } from '../harness/control-plane.ts';
import { skipWithoutNats } from '../harness/nats-server.ts';
import {
  conditionOf,
  type OperatorRig,
  poolOf,
  startOperatorRig,
  statusOf,
} from '../harness/operator-rig.ts';
import { plainPlan } from '../harness/plans.ts';
import { until } from '../harness/until.ts';

const COVERS = 'what pods report to the operator, against a real API server and a real NATS';
const skip = (await skipWithoutControlPlane(COVERS)) || (await skipWithoutNats(COVERS));

/** Users wait no longer; half of them half as long. */
const PROGRAMMED_P99_MS = 2_000;
const PROGRAMMED_P50_MS = 1_000;
/** The short form; 200 changes are in e2e/src/long/operator-changes.test.ts. */
const CHANGES = 12;

let rig: OperatorRig;

before(async () => {
  if (skip === false) rig = await startOperatorRig(3);
});
after(() => rig?.close());

test('from kubectl apply to three pods running it and Programmed=True: within a second mostly, two at the most, at two writes a change', {
  skip,
}, async () => {
  const times = await changeTimes(rig, CHANGES);
  const [p50, p99] = [quantile(times.programmedMs, 0.5), quantile(times.programmedMs, 1)];
  const show = (values: readonly number[]): string =>
    `p50 ${quantile(values, 0.5).toFixed(0)} ms, worst ${quantile(values, 1).toFixed(0)} ms`;
  process.stdout.write(
    `# ${CHANGES} changes, from the start of kubectl: kubectl itself ${show(times.kubectlMs)}; three pods ${show(times.podsMs)}; Programmed=True ${show(times.programmedMs)}\n` +
      `# writes per change: ${times.configMapsPerChange} ConfigMaps, ${times.statusesPerChange} statuses\n`,
  );
  assert.ok(p50 <= PROGRAMMED_P50_MS, `${p50}`);
  assert.ok(p99 <= PROGRAMMED_P99_MS, `${p99}`);
  assert.equal(times.configMapsPerChange, 1);
  assert.ok(times.statusesPerChange <= 2, `${times.statusesPerChange}`);
  assert.deepEqual(statusOf(rig.pools.get('measured')).pods, { programmed: 3, total: 3 });
});

test('a source whose address is on no pod is told in the status of its pool, and a suspension given by hand', {
  skip,
}, async () => {
  const [pod] = rig.pods;
  assert.ok(pod !== undefined);
  await rig.apply(
    poolOf('unbound', 'out.example.com', {
      egress: { type: 'Bind', bind: { address: '192.0.2.1' } },
      match: [{ name: 'all', priority: 1_000 }],
    }),
  );
  await until(
    'it is programmed',
    () => conditionOf(rig.pools.get('unbound'), 'Programmed'),
    (text) => text.startsWith('True'),
    3_000,
  );
  await blast({ target: pod.smtp, plan: plainPlan('unbound', 3, ['a.example']), sessions: 1 });
  const { unreachable } = await until(
    'the status tells of the source',
    () => statusOf(rig.pools.get('unbound')).sources?.[0] ?? { name: '' },
    (source) => source.unreachable !== undefined,
    15_000,
  );
  assert.equal(unreachable?.way, 'Bind 192.0.2.1');
  assert.match(unreachable?.reason ?? '', /192\.0\.2\.1/);
  const given = await fetch(`${pod.admin}/directives`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      effect: { type: 'Suspend' },
      selector: { pool: 'unbound' },
      reason: 'audit',
      forMs: 600_000,
    }),
  });
  assert.ok(given.ok, await given.text());
  const { suspensions } = await until(
    'the status tells of the suspension',
    () => statusOf(rig.pools.get('unbound')),
    ({ suspensions = [] }) => suspensions.length > 0,
    15_000,
  );
  assert.equal(suspensions?.[0]?.effect, 'Suspend');
  assert.match(suspensions?.[0]?.reason ?? '', /audit/);
});

test('NATS stops, hangs and comes back: the operator goes on publishing, its statuses do not flap, and what pods run is known again', {
  skip,
}, async () => {
  const before = (await writes(rig)).statuses;
  rig.nats.signal('SIGSTOP');
  await rig.apply(poolOf('meanwhile'));
  await until(
    'it is accepted all the same',
    () => conditionOf(rig.pools.get('meanwhile'), 'Accepted'),
    (text) => text.startsWith('True'),
    5_000,
  );
  rig.nats.signal('SIGCONT');
  await rig.nats.kill('SIGKILL');
  await rig.apply(poolOf('meanwhile', 'other.example.com'));
  await until(
    'the new form is accepted',
    () => conditionOf(rig.pools.get('meanwhile'), 'Accepted'),
    (text) => text.endsWith('/2'),
    5_000,
  );
  await rig.nats.start();
  await until(
    'pods run it, and that is known',
    () => conditionOf(rig.pools.get('meanwhile'), 'Programmed'),
    (text) => text === 'True/Programmed/2',
    45_000,
  );
  assert.equal((await fetch(`${rig.operator.health}/readyz`)).status, 200);
  assert.ok((await writes(rig)).statuses - before <= 12, `${(await writes(rig)).statuses - before}`);
});
