import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { FromLeader, ShardEffect, ShardOperation, ToLeader } from '../shards/shard-message.ts';
import {
  decodeFromLeader,
  decodeLeaderEntry,
  decodeLevel,
  decodeRenewal,
  decodeToLeader,
  encodeFromLeader,
  encodeLeaderEntry,
  encodeLevel,
  encodeRenewal,
  encodeToLeader,
} from './shard-codec.ts';

const envelope = { shard: 3, term: 2, session: 'pod-1.abc', number: 7, ack: 6 };

const OPERATIONS: readonly ShardOperation[] = [
  {
    type: 'key',
    key: 1,
    id: 'per-site|Site=mx.ümlaut.example',
    broad: false,
    bounds: { connections: 5, burst: 3, recipientRate: { count: 10, periodMs: 1_000 } },
    generation: undefined,
  },
  { type: 'key', key: 2, id: 'source|Source=192.0.2.1', broad: true, bounds: {}, generation: 4 },
  { type: 'forget', key: 2 },
  { type: 'holdSlots', grant: 2 ** 33 + 1, keys: [1, 2] },
  { type: 'holdRate', key: 1, rate: 'byteRate', ratePerMs: 0.1, capacity: 2, largestCost: 1, once: true },
  { type: 'debt', key: 1, rate: 'recipientRate', level: -3.5 },
  { type: 'registered' },
  { type: 'demandSlots', demand: 4, keys: [1], priority: 100, waitedMs: 12.25 },
  { type: 'cancelSlots', demand: 4 },
  { type: 'releaseSlots', grant: 9 },
  { type: 'demandRate', key: 1, rate: 'messageRate', cost: 1, units: 8, priority: 0, waitedMs: 0 },
  { type: 'giveBack', key: 1, rate: 'connectionRate', ratePerMs: 0.01, capacity: 1, level: -2 },
  {
    type: 'hit',
    hit: 12,
    key: 'tss04 source=192.0.2.1,site=mx.a',
    count: 5,
    withinMs: 3_600_000,
    agoMs: 12.5,
  },
];

const EFFECTS: readonly ShardEffect[] = [
  { type: 'granting' },
  { type: 'slots', demand: 4, grant: 2 ** 33 + 1 },
  { type: 'queued', demand: 4, key: 1 },
  {
    type: 'lease',
    key: 1,
    rate: 'recipientRate',
    ratePerMs: 0.1,
    capacity: 2,
    level: -1,
    once: false,
    burst: 2,
    largestCost: 40,
  },
  { type: 'recall', key: 1, rate: 'recipientRate', ratePerMs: 0, capacity: 0, burst: 2 },
  { type: 'ask', key: 1, rate: 'messageRate' },
  { type: 'turn', key: 1, rate: 'messageRate', inMs: 36_000 },
  { type: 'slotWanted', key: 1, waiting: 3 },
  { type: 'slotServed', key: 1 },
  { type: 'counted', upTo: 12, wentOff: [7, 12] },
];

describe('messages between pods', () => {
  test('every operation and effect arrives as it was sent', () => {
    const up: ToLeader = { ...envelope, items: OPERATIONS };
    const down: FromLeader = { ...envelope, items: EFFECTS };
    assert.deepEqual(decodeToLeader(encodeToLeader(up)), up);
    assert.deepEqual(decodeFromLeader(encodeFromLeader(down)), down);
  });

  test('what stands in the store is read as it was written', () => {
    for (const entry of [
      { session: 'a', term: 1 },
      { session: undefined, term: 5 },
    ])
      assert.deepEqual(decodeLeaderEntry(encodeLeaderEntry(entry)), entry);
    const renewal = { session: 'a', renewals: 12 };
    assert.deepEqual(decodeRenewal('a', encodeRenewal(renewal)), renewal);
    const level = { level: -0.5, out: true, term: 3 };
    assert.deepEqual(decodeLevel(encodeLevel('messageRate|k', level)), level);
  });

  test('a message of another version, or of somebody else, is no message: it is sent again and does no harm', () => {
    for (const text of [
      '',
      'x',
      '{}',
      '[2,1,1,"a",1,0,[]]',
      '[1,1,1,"a",1,0]',
      '[1,1,1,"a",1,0,[["?"]]]',
      '[1,"1"]',
    ]) {
      assert.equal(decodeToLeader(new TextEncoder().encode(text)), undefined, text);
      assert.equal(decodeFromLeader(new TextEncoder().encode(text)), undefined, text);
      assert.equal(decodeLeaderEntry(new TextEncoder().encode(text.replace('"1"', '1'))), undefined, text);
    }
  });
});
