/**
 * The whole test suite, phase by phase, each with its time: `npm test`. Unit tests and end-to-end cases run side by side, as
 * they mostly wait; those that measure run one after the other. `npm run test:long` runs what takes minutes each.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

interface Phase {
  readonly name: string;
  readonly files: readonly string[];
  readonly concurrency: number;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const find = (pattern: string): string[] => globSync(pattern, { cwd: root }).sort();

const phases: readonly Phase[] = [
  {
    name: 'unit',
    files: find('{crds,operator,mta,charts}/src/**/*.test.ts').concat(
      find('e2e/src/{internet,judge,harness,bench,chaos}/*.test.ts'),
    ),
    concurrency: 2,
  },
  { name: 'end to end', files: find('e2e/src/cases/*.test.ts'), concurrency: 2 },
  { name: 'end to end, timed', files: find('e2e/src/timed/*.test.ts'), concurrency: 1 },
];
const longPhases: readonly Phase[] = [
  { name: 'long', files: find('e2e/src/long/*.test.ts'), concurrency: 1 },
];

let failed = false;
for (const phase of process.argv.includes('--long') ? longPhases : phases) {
  const startMs = performance.now();
  process.stdout.write(`\n=== ${phase.name}: ${phase.files.length} files\n`);
  const code = await run([
    '--test',
    `--test-concurrency=${phase.concurrency}`,
    '--test-reporter=spec',
    ...phase.files,
  ]);
  process.stdout.write(
    `=== ${phase.name}: ${code === 0 ? 'passed' : 'FAILED'} in ${((performance.now() - startMs) / 1000).toFixed(1)} s\n`,
  );
  if (code !== 0) failed = true;
}
process.exit(failed ? 1 : 0);

function run(args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
