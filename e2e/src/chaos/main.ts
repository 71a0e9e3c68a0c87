/**
 * `npm run chaos -- --seed N --minutes M`: three pods, three NATS nodes and the fake internet under load, and what goes wrong comes from the
 * seed. Every 250 is compared with what arrived and what is queued, every duplicate with the journal. docs/reference/chaos.md.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { goTool, NATS_SERVER } from '../harness/go-tool.ts';
import { whyNoNamespaces } from '../harness/network-namespace.ts';
import { runChaos } from './chaos-run.ts';
import { loopbackNetwork, namespaceNetwork } from './network.ts';

const PODS = 3;
/** Set in the process that runs in a network namespace of the run's own. */
const INSIDE = 'SLUICE_CHAOS_INSIDE';
const DRAIN_MS = 180_000;
const MAX_MINUTES = 60;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    minutes: { type: 'string', default: '5' },
    rate: { type: 'string', default: '120' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  process.stdout.write(
    'Usage: npm run chaos -- [--seed N] [--minutes M] [--rate R]\n\n' +
      'Breaks three pods and three NATS nodes under load and says what became of every message.\n\n' +
      '  --seed N     what goes wrong, and when (default: another one each time)\n' +
      '  --minutes M  how long things go wrong (0.1 to 60, default 5); the queues empty afterwards\n' +
      '  --rate R     messages handed in per second, all pods together (default 120)\n\n' +
      'The last line is JSON. Exit status 1 when a message is lost or stuck, or a duplicate is not explained by the loss of its owner.\n' +
      'As root every pod has a network namespace of its own, so that it can be cut off from NATS; else that fault is left out.\n\n' +
      'Examples:\n  npm run chaos -- --seed 1 --minutes 5\n  npm run chaos -- --minutes 0.3 | tail -1\n',
  );
  process.exit(0);
}
const [seed, minutes, rate] = [Number(values.seed), Number(values.minutes), Number(values.rate)];
if (!Number.isInteger(seed) || !(minutes >= 0.1 && minutes <= MAX_MINUTES) || !(rate > 0)) {
  process.stderr.write('--seed must be a whole number, --minutes 0.1 to 60, --rate above 0: see --help\n');
  process.exit(2);
}
const found = await goTool(NATS_SERVER);
if ('missing' in found) {
  process.stderr.write(`${found.missing}\n`);
  process.exit(2);
}
// An interrupted run takes its processes with it: they end when this one does.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const noNamespaces = whyNoNamespaces();
if (process.env[INSIDE] === undefined && noNamespaces === undefined) runInside();
else await run();

/** The same command in a network of its own. */
function runInside(): void {
  const args = [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const child = spawn('unshare', ['--net', process.execPath, ...args, '--seed', String(seed)], {
    stdio: 'inherit',
    env: { ...process.env, [INSIDE]: '1' },
  });
  process.once('exit', () => child.kill('SIGTERM'));
  child.once('exit', (code) => process.exit(code ?? 1));
}

async function run(): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const isInside = process.env[INSIDE] !== undefined;
  say(`chaos: seed ${seed}, ${minutes} minutes, ${rate} messages a second`);
  if (!isInside) say(`NOT COVERED: a pod that is cut off from NATS: ${noNamespaces}`);
  const result = await runChaos({
    seed,
    durationMs: minutes * 60_000,
    drainMs: DRAIN_MS,
    ratePerSecond: rate,
    network: isInside ? await namespaceNetwork(PODS) : loopbackNetwork(PODS),
    say,
  });
  const { accepted, delivered, refused, queued, held, lost, duplicates, unexplainedDuplicates } = result;
  const { faults, unconfirmed, mostOfOneLoss, complaints } = result;
  say(
    `accepted ${accepted} recipients: ${delivered} delivered, ${refused} refused by their hosts, ${queued} queued (${held} of them held), ${lost} lost`,
  );
  say(
    `${duplicates} delivered once too often, at most ${mostOfOneLoss} for one lost owner; ${unconfirmed} delivered whose client read no 250`,
  );
  for (const complaint of complaints) say(complaint);
  say(JSON.stringify({ seed, accepted, delivered, queued, lost, duplicates, unexplainedDuplicates, faults }));
  process.exit(complaints.length > 0 || accepted === 0 ? 1 : 0);
}
