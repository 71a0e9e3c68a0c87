import { parseArgs } from 'node:util';
import { runScenario } from './scenario.ts';

/**
 * `npm run sim -- --pods 10 --keys 10000 --minutes 10 --seeds 20 [--from 1]`: clusters of pods that share limits, with faults, judged from
 * outside. Says what each seed came to; the last line is JSON. Exits with 1 if a bound was exceeded or a demand starved.
 */
const { values } = parseArgs({
  options: {
    pods: { type: 'string', default: '10' },
    keys: { type: 'string', default: '1000' },
    seeds: { type: 'string', default: '20' },
    from: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '5' },
  },
});

const [pods, keys, seeds, from, minutes] = [
  values.pods,
  values.keys,
  values.seeds,
  values.from,
  values.minutes,
].map(Number);
if (
  pods === undefined ||
  keys === undefined ||
  seeds === undefined ||
  from === undefined ||
  minutes === undefined
)
  throw new Error('unreachable: every option has a default');

const total = { violations: 0, starved: 0, utilisation: 0, messages: 0 };
for (let seed = from; seed < from + seeds; seed++) {
  const verdict = runScenario(seed, { pods, keys, runMs: minutes * 60_000 });
  total.violations += verdict.violations.length;
  total.starved += verdict.starved.length;
  total.utilisation += verdict.utilisation / seeds;
  total.messages += verdict.messages;
  const wait = Math.round(verdict.longestWaitMs / 1_000);
  console.log(
    `seed ${seed}: ${verdict.faults} faults, ${verdict.sent} recipients, longest wait ${wait} s, ` +
      `${Math.round(verdict.utilisation * 100)} % of the busy limit used`,
  );
  for (const each of [...verdict.violations.slice(0, 3), ...verdict.starved.slice(0, 3)])
    console.log(`  ${each}`);
}
const messagesPerPodPerSecond = Number((total.messages / seeds / pods / (minutes * 60)).toFixed(2));
const { violations, starved } = total;
const utilisation = Number(total.utilisation.toFixed(3));
console.log(JSON.stringify({ pods, keys, seeds, violations, starved, utilisation, messagesPerPodPerSecond }));
if (violations + starved > 0) process.exitCode = 1;
