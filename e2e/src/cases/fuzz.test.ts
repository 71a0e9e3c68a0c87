import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz } from '../fuzz/fuzz-run.ts';
import { startFuzzedListeners } from '../fuzz/intake-fuzz.ts';
import { startFuzzedClient } from '../fuzz/reply-fuzz.ts';
import { makeKey } from '../harness/test-certificate.ts';

/** Another day, other dialogues: a failure names its seed. */
const seed = Math.floor(Date.now() / 86_400_000);

for (const [side, start, runs, parallel] of [
  ['intake', startFuzzedListeners, 600, 12],
  ['reply', startFuzzedClient, 600, 100],
] as const) {
  test(`${runs} dialogues that follow no rule: nothing falls, leaks, or is taken for what it is not (${side})`, async (context) => {
    const target = await start(makeKey());
    context.after(() => target.close());
    const result = await fuzz(target, { seed, runs, parallel, maxMs: 15_000 });
    const told = result.failures.map(
      ({ run, what }) => `npm run fuzz -- ${side} --seed ${seed} --only ${run}\n${what}`,
    );
    assert.equal(told.join('\n'), '');
    assert.ok(result.runs > 50, `only ${result.runs} dialogues ran`);
  });
}
