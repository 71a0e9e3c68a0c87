/**
 * The demo: a fake internet, one Sluice with two source addresses, mixed mail, a live table, and a verdict that is counted
 * from what the providers' hosts saw. `npm run demo`, `npm run demo -- --seconds 10`, `npm run demo -- --json`.
 */
import { parseArgs } from 'node:util';
import { blast } from '@sluice/mta/blast';
import { readQueue } from '../harness/queue-reader.ts';
import { startSluice } from '../harness/sluice-process.ts';
import { spawnInternet } from '../internet/internet-client.ts';
import { DEMO_SHAPE } from '../internet/providers.ts';
import { limitViolations } from '../judge/limit-check.ts';
import { receipts } from '../judge/receipts.ts';
import { LiveTable } from './live-table.ts';
import { ALLOWED, DOMAINS, RESOURCES } from './scenario.ts';

/** Messages per second that the demo offers: more than Yahoo's limit takes, so that a queue is to be seen. */
const RATE_PER_SECOND = 900;
/** Longest wait for the queue to empty after the last message, milliseconds. */
const DRAIN_MS = 60_000;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
if (values.help) {
  process.stdout.write(
    'Usage: npm run demo -- [--seconds N] [--json]\n\n  --seconds N  how long mail is injected (1 to 600, default 20)\n  --json       no table; the last line is the result as JSON\n\n' +
      'Exit status 1 when a message was lost, delivered twice, or a limit was broken.\n',
  );
  process.exit(0);
}
const seconds = Number(values.seconds);
if (!Number.isInteger(seconds) || seconds < 1 || seconds > 600) {
  process.stderr.write(`--seconds must be a whole number from 1 to 600, not "${values.seconds}"\n`);
  process.exit(2);
}
const say = (line: string): void => {
  if (!values.json) process.stdout.write(`${line}\n`);
};

say(
  `Starting a fake internet: Gmail, Yahoo, Outlook, ${DEMO_SHAPE.microsoftTenants} Microsoft 365 tenants and ${DEMO_SHAPE.smallHosts} small hosts on 127.20.0.0/16 …`,
);
const internet = await spawnInternet({ shape: DEMO_SHAPE, smtpPort: 0 });
const sluice = await startSluice({
  spec: { dns: { servers: [`${internet.dns.address}:${internet.dns.port}`] }, smtpPort: internet.smtpPort },
  providers: 'Enabled',
  resources: RESOURCES,
});
say(
  `Sluice listens on ${sluice.smtp.host}:${sluice.smtp.port} (SMTP) and ${sluice.admin} (admin), sends from 127.0.1.1 and 127.0.1.2.`,
);
say(`Sending ${RATE_PER_SECOND} messages a second for ${seconds} s.\n`);

// An interrupted demo takes its processes with it: they end when this one does.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const total = RATE_PER_SECOND * seconds;
const accepted = new Uint8Array(total);
const table = new LiveTable({ enabled: !values.json, interactive: process.stdout.isTTY });
const run = `demo${Date.now() % 100_000}`;
let injected = 0;
let over = false;
const watching = (async () => {
  while (!over) {
    table.show(await internet.records(), await readQueue(sluice.admin), { injected, total });
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
})();

const result = await blast({
  target: sluice.smtp,
  sessions: 20,
  ratePerSecond: RATE_PER_SECOND,
  plan: {
    run,
    messages: total,
    recipientsPerMessage: 1,
    domains: DOMAINS,
    sizesBytes: [
      { value: 2_048, weight: 70 },
      { value: 10_240, weight: 25 },
      { value: 102_400, weight: 5 },
    ],
    senders: [
      { value: 'news@shop.example', weight: 3 },
      { value: 'receipts@shop.example', weight: 1 },
    ],
    seed: 1,
  },
  onAnswer: (message, answer) => {
    injected++;
    if (answer.code === 250) accepted[message.firstRecipient] = 1;
  },
});

const drainUntilMs = Date.now() + DRAIN_MS;
let queue = await readQueue(sluice.admin);
while (queue.entries > 0 && Date.now() < drainUntilMs) {
  await new Promise((resolve) => setTimeout(resolve, 500));
  queue = await readQueue(sluice.admin);
}
over = true;
await watching;

const records = await internet.records();
const seen = receipts(run, accepted, await internet.delivered(run), await internet.refused());
const violations = records.flatMap((record) =>
  limitViolations(record, ALLOWED[record.name] ?? { connections: 0, recipientsPerSecond: 0, burst: 0 }),
);
const lost = Math.max(0, seen.open - queue.entries);
table.finish(records, queue);
await sluice.close();
await internet.close();

const summary = {
  accepted: seen.accepted,
  delivered: seen.delivered,
  bounced: seen.bounced,
  queued: queue.entries,
  lost,
  duplicates: seen.duplicates,
  limitViolations: violations.length,
  refusedAtIntake: Object.values(result.refused).reduce((sum, count) => sum + count, 0),
  seconds,
  acceptLatencyMs: result.latencyMs,
};
for (const violation of violations.slice(0, 20))
  say(`LIMIT BROKEN ${violation.provider} ${violation.domain} from ${violation.source}: ${violation.what}`);
say(
  `\naccepted ${summary.accepted}, delivered ${summary.delivered}, bounced ${summary.bounced}, still queued ${summary.queued}, ` +
    `lost ${summary.lost}, duplicates ${summary.duplicates}, limits broken ${summary.limitViolations}` +
    ` (counted from what the providers' hosts saw)`,
);
if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
process.exit(lost > 0 || seen.duplicates > 0 || violations.length > 0 || seen.accepted === 0 ? 1 : 0);
