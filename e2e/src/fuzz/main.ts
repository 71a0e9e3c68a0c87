/**
 * `npm run fuzz -- intake|reply [--seed N] [--runs 10000] [--seconds 600] [--only RUN]`: dialogues made at random against the listener, or
 * against the client; the same seed makes the same ones. Prints the seed and the number of each that fails.
 */
import { parseArgs } from 'node:util';
import { makeKey } from '../harness/test-certificate.ts';
import { type FuzzTarget, fuzz } from './fuzz-run.ts';
import { startFuzzedListeners } from './intake-fuzz.ts';
import { startFuzzedClient } from './reply-fuzz.ts';

/** Dialogues at the same time: those of the client mostly wait, for a time-out or for a host to see a reset. */
const PARALLEL = { intake: 12, reply: 100 };

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    runs: { type: 'string', default: '10000' },
    seconds: { type: 'string', default: '600' },
    only: { type: 'string' },
  },
});
const side = positionals[0];
if (side !== 'intake' && side !== 'reply') {
  process.stderr.write(
    'Usage: npm run fuzz -- intake|reply [--seed N] [--runs N] [--seconds N] [--only RUN]\n',
  );
  process.exit(2);
}
const seed = Number(values.seed);
const target: FuzzTarget & { close(): Promise<void> } =
  side === 'intake' ? await startFuzzedListeners(makeKey()) : await startFuzzedClient(makeKey());

if (values.only !== undefined) {
  const what = await target.run(seed, Number(values.only));
  process.stdout.write(`${what ?? 'nothing is wrong'}\n`);
  process.exitCode = what === undefined ? 0 : 1;
} else {
  process.stdout.write(`fuzzing ${side}, seed ${seed}\n`);
  const result = await fuzz(target, {
    seed,
    runs: Number(values.runs),
    parallel: PARALLEL[side],
    maxMs: Number(values.seconds) * 1000,
  });
  for (const { run, what } of result.failures) {
    const again = run === -1 ? '' : ` (again: npm run fuzz -- ${side} --seed ${seed} --only ${run})`;
    process.stdout.write(`FAILED ${run}${again}\n${what}\n\n`);
  }
  const seconds = (result.durationMs / 1000).toFixed(1);
  const heapKb = Math.round(result.heapGrowthBytes / 1024);
  process.stdout.write(
    `${result.runs} dialogues in ${seconds} s, ${result.failures.length} failures, heap ${heapKb} KB more than after the warm-up\n`,
  );
  process.exitCode = result.failures.length === 0 ? 0 : 1;
}
await target.close();
