/**
 * Benchmarks: one JSON object a line. `npm run bench`, `npm run bench -- relay`, `npm run bench -- index --short`.
 * Figures are medians; the conditions are in the first line.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { benchDelivery } from './delivery-bench.ts';
import { DKIM_KINDS } from './dkim-keys.ts';
import { benchIndex } from './index-bench.ts';
import { benchLimits } from './limits-bench.ts';
import { benchRelay, RELAY_EVENTS } from './relay-bench.ts';
import { RELAY_STORES } from './relay-store.ts';

const BENCHES = ['relay', 'delivery', 'index', 'limits'] as const;

/** So much 2 KB mail waits in memory; of more the rest is read back from the store (MAX_RESIDENT_BYTES). */
const IN_MEMORY_MESSAGES = 5_500;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    short: { type: 'boolean', default: false },
    runs: { type: 'string', default: '3' },
    store: { type: 'string', default: 'sqlite' },
    dkim: { type: 'string' },
    workers: { type: 'string', default: '1' },
    events: { type: 'string' },
    unlimited: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const unknown = positionals.find((name) => !BENCHES.some((bench) => bench === name));
const runs = Number(values.runs);
const store = RELAY_STORES.find((name) => name === values.store);
const dkim = DKIM_KINDS.find((kind) => kind === values.dkim);
const workers = Number(values.workers);
const events = RELAY_EVENTS.find((name) => name === values.events);
const needsNats = (workers > 1 || events === 'jetstream') && store === 'sqlite';
const badOption =
  needsNats ||
  !(Number.isInteger(workers) && workers > 0) ||
  (values.events !== undefined && events === undefined) ||
  store === undefined ||
  (values.dkim !== undefined && dkim === undefined);
if (values.help || unknown !== undefined || badOption || !Number.isInteger(runs) || runs < 1) {
  if (unknown !== undefined) process.stderr.write(`There is no benchmark "${unknown}".\n`);
  process.stdout.write(
    'Usage: npm run bench -- [relay] [delivery] [index] [limits] [--runs N] [--store STORE] [--dkim KEY] [--workers N] [--events READER] [--unlimited] [--short]\n\n' +
      '  relay    accept, store, deliver over SMTP at 2, 10 and 100 KB: messages per second, CPU per message\n' +
      '  delivery a queue full of mail and one sink, nothing is handed in: messages per second, CPU per message\n' +
      '  index    the queue index at 1 and 10 million entries: bytes per entry, inserts and dues per second\n' +
      '  limits   limits shared by three pods on NATS at 5,000 messages per second: messages and CPU per pod\n' +
      `  --store  where relay keeps mail: ${RELAY_STORES.join(', ')} (default sqlite)\n` +
      `  --dkim   relay signs its mail with a key of this kind: ${DKIM_KINDS.join(', ')}\n` +
      '  --workers  processes of relay; needs --store jetstream (default 1)\n' +
      `  --events who reads the events of relay: ${RELAY_EVENTS.join(', ')} (the last one needs --store jetstream; default nobody)\n` +
      '  --unlimited  relay has a policy without limits\n' +
      '  --runs   runs of each relay size, the median is printed (default 3)\n' +
      '  --short  a tenth of the messages, one run: to see that it works\n\n' +
      'Example: npm run bench -- relay --runs 5\n',
  );
  process.exit(values.help ? 0 : 2);
}

const wanted = (name: (typeof BENCHES)[number]): boolean =>
  positionals.length === 0 || positionals.includes(name);
const print = (figures: unknown): void => {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
};

print({
  conditions: {
    node: process.version,
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    date: new Date().toISOString(),
    short: values.short,
  },
});
if (wanted('relay')) {
  for (const [sizeBytes, messages] of [
    [2_048, 40_000],
    [10_240, 20_000],
    [102_400, 5_000],
  ] as const) {
    print(
      await benchRelay(store, sizeBytes, values.short ? messages / 10 : messages, values.short ? 1 : runs, {
        ...(dkim !== undefined && { dkim }),
        ...(events !== undefined && { events }),
        ...(values.unlimited && { unlimited: true }),
        workers,
      }),
    );
  }
}
if (wanted('delivery')) {
  for (const [peerOffers, messages] of [
    ['PIPELINING and CHUNKING', IN_MEMORY_MESSAGES],
    ['PIPELINING', IN_MEMORY_MESSAGES],
    ['PIPELINING and CHUNKING', 40_000],
    ['PIPELINING', 40_000],
  ] as const) {
    print(
      await benchDelivery(
        peerOffers,
        2_048,
        values.short ? messages / 10 : messages,
        values.short ? 1 : runs,
      ),
    );
  }
}
if (wanted('limits')) print(await benchLimits(values.short ? 5 : 20));
if (wanted('index')) {
  for (const size of values.short ? [1_000_000] : [1_000_000, 10_000_000]) print(benchIndex(size));
}
