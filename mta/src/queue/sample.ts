import type { Entry, LaneId, NewEntry, UnitKey } from './contract.ts';
import { createQueue, type Queue } from './queue.ts';

/** When the tests begin: on a tick, so that multiples of the tick are exact. */
export const START_MS = 1_800_000_000_000;
export const HOUR_MS = 3_600_000;

export function sampleKey(key: Partial<UnitKey> = {}): UnitKey {
  return {
    pool: 'shared',
    domain: 'example.com',
    tenant: 'acme',
    campaign: '',
    class: '',
    preferredSource: '',
    ...key,
  };
}

export function sampleEntry(entry: Partial<NewEntry> = {}): NewEntry {
  return {
    sequence: 1,
    idCheck: 0,
    group: 0,
    acceptedAtMs: START_MS,
    dueAtMs: 0,
    expireAtMs: START_MS + 72 * HOUR_MS,
    attempts: 0,
    recipients: 1,
    sizeBytes: 2_048,
    ...entry,
  };
}

/** A queue that writes down what it called back. Classes are named by their priority: `'5'`, `'-3'`; `''` is 0. */
export interface SampleQueue {
  readonly queue: Queue;
  readonly readyLanes: LaneId[];
  readonly expired: Entry[];
  /** Queues an entry under the key, in the lane of the key's pool and `site`. */
  add(key: Partial<UnitKey>, entry?: Partial<NewEntry>, site?: string, nowMs?: number): Entry;
}

export function sampleQueue(): SampleQueue {
  const readyLanes: LaneId[] = [];
  const expired: Entry[] = [];
  const queue = createQueue({
    classPriority: Number,
    onReady: (lane) => readyLanes.push(lane),
    onExpired: (entry) => expired.push(entry),
  });
  let sequence = 0;
  return {
    queue,
    readyLanes,
    expired,
    add: (key, entry = {}, site = 'mx.example', nowMs = START_MS) => {
      const unitKey = sampleKey(key);
      const unit = queue.unitOf(unitKey, queue.openLane(unitKey.pool, site));
      return queue.insert(unit, sampleEntry({ sequence: ++sequence, ...entry }), nowMs);
    },
  };
}
