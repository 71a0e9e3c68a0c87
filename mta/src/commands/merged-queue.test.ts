import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergedQueue } from './merged-queue.ts';

const lane = (site: string, ready: number, more = {}) => ({
  pool: 'main',
  site,
  ready,
  asleep: 0,
  waiting: 0,
  inFlight: 0,
  connections: 1,
  connectionsPerSource: { 'ip-1': 1 },
  oldestAgeMs: ready,
  ...more,
});

test('lanes of workers are those of one MTA: added up, what only one knows kept, most mail first', () => {
  const merged = mergedQueue(
    [
      { entries: 7, lanes: [lane('a', 5), lane('b', 2, { lastReply: '421 slow' })] },
      { entries: 10, lanes: [lane('b', 10, { connectionsPerSource: { 'ip-1': 1, 'ip-2': 3 } })] },
    ],
    10,
  );
  assert.equal(merged.entries, 17);
  assert.deepEqual(
    merged.lanes.map(({ site, ready, connections }) => [site, ready, connections]),
    [
      ['b', 12, 2],
      ['a', 5, 1],
    ],
  );
  assert.deepEqual(merged.lanes[0]?.connectionsPerSource, { 'ip-1': 2, 'ip-2': 3 });
  assert.equal(merged.lanes[0]?.lastReply, '421 slow');
  assert.equal(merged.lanes[0]?.oldestAgeMs, 10);
});
