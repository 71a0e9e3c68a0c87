import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { HOUR_MS } from './sample.ts';
import { SimulatedPod } from './simulated-pod.ts';

const MESSAGES = 4_000;

/** Runs a seed to its end; tells what became of the mail, and a hash of all that happened on the way. */
function simulate(seed: number, messages: number) {
  const pod = new SimulatedPod(seed, messages);
  const lastedMs = pod.run();
  const ends = { queued: 0, 'in flight': 0, delivered: 0, expired: 0 };
  for (const { state } of pod.messages) ends[state]++;
  return { pod, lastedMs, ends, hash: createHash('sha256').update(pod.log.join('\n')).digest('hex') };
}

for (const seed of [1, 2, 3, 4]) {
  test(`every message is delivered or reported as expired, through limits, retries and changes of MX (seed ${seed})`, () => {
    const { pod, ends, lastedMs } = simulate(seed, MESSAGES);
    assert.equal(ends.delivered + ends.expired, MESSAGES);
    assert.ok(ends.delivered > MESSAGES / 2, `${ends.delivered} delivered`);
    assert.ok(ends.expired > 0, 'the dead site gives mail back in the end');
    assert.equal(pod.queue.size, 0);
    assert.equal(pod.queue.unitCount, 0);
    assert.deepEqual([...pod.queue.lanes()], []);
    assert.ok(lastedMs <= 5 * HOUR_MS, 'nothing outlives its expiry');
  });
}

test('a seed repeats to the letter, so that a failure can be looked at', () => {
  assert.equal(simulate(7, 1_000).hash, simulate(7, 1_000).hash);
  assert.notEqual(simulate(7, 1_000).hash, simulate(8, 1_000).hash);
});
