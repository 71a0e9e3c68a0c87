import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiChaos } from '../chaos-api/api-chaos.ts';
import { skipWithoutControlPlane } from '../harness/control-plane.ts';

const skip = await skipWithoutControlPlane('ten minutes of chaos of the API server');
const SECONDS = 300;

for (const seed of [1, 2]) {
  test(`five minutes of API-server chaos, seed ${seed}: the operator never ends, misses or hot-loops`, {
    skip,
    timeout: 500_000,
  }, async () => {
    const result = await apiChaos(seed, SECONDS);
    process.stdout.write(`# ${JSON.stringify(result)}\n`);
    assert.deepEqual(result.complaints, []);
  });
}
