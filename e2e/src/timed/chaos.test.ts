import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { skipWithoutNats } from '../harness/nats-server.ts';
import { startProgram } from '../harness/started-program.ts';

const skip = await skipWithoutNats('faults of pods and NATS nodes under load');
const MAIN = fileURLToPath(new URL('../chaos/main.ts', import.meta.url));
const SEED = 967;

test('twelve seconds of faults: no message that got its 250 is lost, no duplicate is unexplained', {
  skip,
  timeout: 150_000,
}, async (context) => {
  const run = startProgram([process.execPath, MAIN, '--seed', String(SEED), '--minutes', '0.2']);
  context.after(() => run.kill('SIGTERM'));
  const code = await run.ended;
  const said = run.lines.join('\n');
  assert.equal(code, 0, said);
  const { seed, accepted, delivered, lost, unexplainedDuplicates, faults } = JSON.parse(
    run.lines.at(-1) ?? '{}',
  );
  assert.deepEqual(
    { seed, lost, unexplainedDuplicates },
    { seed: SEED, lost: 0, unexplainedDuplicates: 0 },
    said,
  );
  assert.ok(accepted > 100 && delivered > 100 && faults > 2, said);
  context.diagnostic(run.lines.at(-1) ?? '');
});
