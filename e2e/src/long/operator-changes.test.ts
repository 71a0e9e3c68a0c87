import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { changeTimes, quantile } from '../harness/change-times.ts';
import { skipWithoutControlPlane } from '../harness/control-plane.ts';
import { skipWithoutNats } from '../harness/nats-server.ts';
import {
  conditionOf,
  type OperatorRig,
  poolOf,
  startOperatorRig,
  statusOf,
} from '../harness/operator-rig.ts';
import { until } from '../harness/until.ts';

const COVERS = 'what pods report to the operator over many changes, and when one of them hangs';
const skip = (await skipWithoutControlPlane(COVERS)) || (await skipWithoutNats(COVERS));

const PROGRAMMED_P99_MS = 2_000;
const PROGRAMMED_P50_MS = 1_000;
const CHANGES = 200;

let rig: OperatorRig;

before(async () => {
  if (skip === false) rig = await startOperatorRig(3);
});
after(() => rig?.close());

test('200 changes, from kubectl apply to three pods running them and Programmed=True: within a second mostly, two at the most, at two writes a change', {
  skip,
}, async () => {
  const times = await changeTimes(rig, CHANGES);
  const [p50, p99] = [quantile(times.programmedMs, 0.5), quantile(times.programmedMs, 0.99)];
  const show = (values: readonly number[]): string =>
    `p50 ${quantile(values, 0.5).toFixed(0)} ms, p99 ${quantile(values, 0.99).toFixed(0)} ms, worst ${quantile(values, 1).toFixed(0)} ms`;
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

test('a pod that does not take a change up is named until it is gone; then all that live run it', {
  skip,
}, async () => {
  const stuck = rig.pods.at(-1);
  assert.ok(stuck !== undefined);
  process.kill(stuck.pid, 'SIGSTOP');
  await rig.apply(poolOf('stuck'));
  const says = (expected: RegExp, timeoutMs: number) =>
    until(
      'the status says so',
      () => conditionOf(rig.pools.get('stuck'), 'Programmed'),
      (text) => expected.test(text),
      timeoutMs,
    );
  await says(/^False\/PodsBehind\/1/, 3_000);
  const message = statusOf(rig.pools.get('stuck')).conditions?.find(({ type }) => type === 'Ready')?.message;
  assert.match(message ?? '', /do not run it yet: mta-2\.example\.$/);
  assert.equal(conditionOf(rig.pools.get('measured'), 'Programmed').slice(0, 4), 'True');
  await stuck.kill('SIGKILL');
  await says(/^True\/Programmed\/1/, 30_000);
  await until(
    'and the others count one pod less',
    () => statusOf(rig.pools.get('measured')).pods?.total,
    (total) => total === 2,
    15_000,
  );
});
