import { parseArgs } from 'node:util';
import { runScenario } from './scenario.ts';

/**
 * `npm run sim:spool -- --seeds 100 --steps 2000 [--first 1] [--power-loss]`: simulated clusters, one per seed. The last line is JSON; exit 1 if any
 * rule was violated.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    steps: { type: 'string', default: '2000' },
    first: { type: 'string', default: '1' },
    'power-loss': { type: 'boolean', default: false },
  },
});

const sums = {
  accepted: 0,
  delivered: 0,
  duplicates: 0,
  held: 0,
  lostToRollback: 0,
  faults: 0,
  adoptions: 0,
};
const violations: { seed: number; violations: readonly string[] }[] = [];
let simulatedMs = 0;
const first = Number(values.first);
for (let seed = first; seed < first + Number(values.seeds); seed++) {
  const outcome = runScenario({ seed, steps: Number(values.steps), powerLoss: values['power-loss'] });
  sums.accepted += outcome.accepted;
  sums.delivered += outcome.delivered;
  sums.duplicates += outcome.duplicates;
  sums.held += outcome.held;
  sums.lostToRollback += outcome.lostToRollback;
  sums.faults += outcome.faults;
  sums.adoptions += outcome.adoptions;
  simulatedMs += outcome.simulatedMs;
  if (outcome.violations.length > 0) violations.push({ seed, violations: outcome.violations });
}
for (const { seed, violations: each } of violations.slice(0, 20))
  for (const text of each) process.stdout.write(`seed ${seed}: ${text}\n`);
const summary = {
  seeds: Number(values.seeds),
  ...sums,
  simulatedHours: Math.round(simulatedMs / 36_000) / 100,
  violations: violations.length,
  badSeeds: violations.slice(0, 20).map(({ seed }) => seed),
};
process.stdout.write(`${JSON.stringify(summary)}\n`);
if (violations.length > 0) process.exitCode = 1;
