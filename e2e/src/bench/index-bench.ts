import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createQueue, type LaneId, type NewEntry, type Queue, type UnitKey } from '@sluice/mta/queue';

/** One line of `npm run bench -- index`. */
export interface IndexFigures {
  readonly bench: 'index';
  /** Entries in the index: messages to one domain each. */
  readonly messages: number;
  /** Units (domain × tenant) that they are in; their cost is in `bytesPerMessage`. */
  readonly units: number;
  /** Everything that the index holds, units, lanes and names included. */
  readonly bytesPerMessage: number;
  /** Lane and unit looked up by name for every message, as the dispatcher does. */
  readonly insertsPerSecond: number;
  /** Entries that became ready because their time came, all of them within four simulated hours. */
  readonly duesPerSecond: number;
  /** Entries offered, taken and removed. */
  readonly takesPerSecond: number;
}

const DOMAINS = 500;
const TENANTS = 20;
const START_MS = 1_800_000_000_000;
const HOUR_MS = 3_600_000;
/** Dues are spread over this time, as retries are. */
const SPREAD_MS = 4 * HOUR_MS;
const STEP_MS = 1_000;
const STEPS = SPREAD_MS / STEP_MS;

const names = (count: number, name: (index: number) => string): readonly string[] =>
  Array.from({ length: count }, (_, index) => name(index));
const domains = names(DOMAINS, (index) => `customer-${index}.example.com`);
const sites = names(DOMAINS, (index) => `mx.customer-${index}.example.com`);
const tenants = names(TENANTS, (index) => `tenant-${index}`);

/** A first, unmeasured run of so many entries, so that the figures are those of a process that has been up for a second. */
const WARM_UP_MESSAGES = 200_000;

/** Fills an index with `messages` entries that wait, lets time make them ready, and empties it. */
export function benchIndex(messages: number): IndexFigures {
  measure(WARM_UP_MESSAGES);
  return measure(messages);
}

function measure(messages: number): IndexFigures {
  const before = heldBytes();
  const lanes = new Set<LaneId>();
  const queue = createQueue({
    classPriority: () => 0,
    onReady: (lane) => lanes.add(lane),
    onExpired: (entry) => queue.remove(entry),
  });
  const insertSeconds = secondsOf(() => fill(queue, messages));
  const bytes = heldBytes() - before;
  const units = queue.unitCount;
  const dueSeconds = secondsOf(() => {
    for (let step = 1; step <= STEPS; step++) queue.advance(START_MS + step * STEP_MS);
  });
  if (queue.counts.ready !== messages)
    throw new Error(`${queue.counts.ready} of ${messages} entries became ready`);
  const takeSeconds = secondsOf(() => empty(queue, lanes));
  if (queue.size !== 0) throw new Error(`${queue.size} entries are left`);
  return {
    bench: 'index',
    messages,
    units,
    bytesPerMessage: Math.round((bytes / messages) * 10) / 10,
    insertsPerSecond: Math.round(messages / insertSeconds),
    duesPerSecond: Math.round(messages / dueSeconds),
    takesPerSecond: Math.round(messages / takeSeconds),
  };
}

function fill(queue: Queue, messages: number): void {
  // A fixed generator (Numerical Recipes), so that every run does the same.
  let random = 1;
  for (let sequence = 1; sequence <= messages; sequence++) {
    random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
    const domain = random % DOMAINS;
    const key: UnitKey = {
      pool: 'shared',
      domain: domains[domain] ?? '',
      tenant: tenants[(random >>> 16) % TENANTS] ?? '',
      campaign: '',
      class: '',
      preferredSource: '',
    };
    const entry: NewEntry = {
      sequence,
      idCheck: random,
      group: 0,
      acceptedAtMs: START_MS,
      dueAtMs: START_MS + 1 + Math.floor((random / 2 ** 32) * (SPREAD_MS - 100)),
      expireAtMs: START_MS + 72 * HOUR_MS,
      attempts: 0,
      recipients: 1,
      sizeBytes: 2_048,
    };
    queue.insert(queue.unitOf(key, queue.openLane('shared', sites[domain] ?? '')), entry, START_MS);
  }
}

function empty(queue: Queue, lanes: Iterable<LaneId>): void {
  const nowMs = START_MS + SPREAD_MS;
  for (const lane of lanes) {
    for (;;) {
      const entry = queue.take(lane, 'ip-1', nowMs, () => 'take');
      if (entry === undefined) break;
      queue.remove(entry);
    }
  }
}

function secondsOf(work: () => void): number {
  const start = performance.now();
  work();
  return (performance.now() - start) / 1_000;
}

/** Bytes in use after a full collection: objects and typed arrays. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  // Twice: the first one may leave the sweeping of typed arrays to a background task.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
