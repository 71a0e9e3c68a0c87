import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiChaos } from '../chaos-api/api-chaos.ts';
import { skipWithoutControlPlane } from '../harness/control-plane.ts';

const skip = await skipWithoutControlPlane(
  'an API server that is killed, stopped and compacted under an operator',
);
/** The short form; ten minutes are in docs/reference/operator.md, `npm run chaos:api`. */
const SECONDS = 12;

test('whatever the API server does, the operator goes on, and afterwards pods have what users want, wrong resources their last good form', {
  skip,
  timeout: 150_000,
}, async () => {
  const result = await apiChaos(7, SECONDS);
  process.stdout.write(`# ${JSON.stringify(result)}\n`);
  assert.deepEqual(result.complaints, []);
  assert.ok(result.userWrites > 5 && result.faultyRequests > 0);
});
