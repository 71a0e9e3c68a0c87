import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AGEING_MS_PER_POINT } from './ageing.ts';
import { START_MS, sampleQueue } from './sample.ts';
import { MAX_COST_RECIPIENTS, QUANTUM_RECIPIENTS } from './turns.ts';

/** Takes and removes `count` entries; tells the value of one key member for each, in order. */
function leaving(
  { queue }: ReturnType<typeof sampleQueue>,
  member: 'tenant' | 'campaign' | 'class' | 'preferredSource',
  count: number,
  at: (index: number) => number = () => START_MS,
): string[] {
  const lane = queue.openLane('shared', 'mx.example');
  return Array.from({ length: count }, (_, index) => {
    const entry = queue.take(lane, undefined, at(index), () => 'take');
    assert.ok(entry !== undefined);
    const value = queue.unitKey(queue.unit(entry))[member];
    queue.remove(entry);
    return value;
  });
}

test('a tenant with ten messages waits at most one round beside one with 100,000', () => {
  const sample = sampleQueue();
  for (let index = 0; index < 100_000; index++) sample.add({ tenant: 'big' });
  for (let index = 0; index < 10; index++) sample.add({ tenant: 'small' });
  const order = leaving(sample, 'tenant', 2 * QUANTUM_RECIPIENTS);
  assert.equal(order.filter((tenant) => tenant === 'small').length, 10);
  assert.ok(order.indexOf('small') <= QUANTUM_RECIPIENTS);
});

test('tenants share by recipients, not by messages, also when one of them sends dear ones', () => {
  const sample = sampleQueue();
  for (let index = 0; index < 200; index++) sample.add({ tenant: 'lists' }, { recipients: 50 });
  for (let index = 0; index < 5_000; index++) sample.add({ tenant: 'single' });
  const order = leaving(sample, 'tenant', 2_040);
  const lists = order.filter((tenant) => tenant === 'lists').length;
  const difference = Math.abs(lists * 50 - (order.length - lists));
  assert.ok(difference <= 50 + QUANTUM_RECIPIENTS, `${difference} recipients apart`);
});

test('a message to ten thousand recipients does not keep its tenant waiting for a thousand rounds', () => {
  const sample = sampleQueue();
  sample.add({ tenant: 'huge' }, { recipients: 10_000 });
  for (let index = 0; index < 1_000; index++) sample.add({ tenant: 'single' });
  const order = leaving(sample, 'tenant', 1_001);
  assert.ok(order.indexOf('huge') <= MAX_COST_RECIPIENTS + QUANTUM_RECIPIENTS);
});

test('a tenant that has sent all it had does not cost the next one its turn', () => {
  const sample = sampleQueue();
  sample.add({ tenant: 'brief' });
  for (let index = 0; index < 20; index++) sample.add({ tenant: 'second' });
  for (let index = 0; index < 20; index++) sample.add({ tenant: 'third' });
  assert.deepEqual(leaving(sample, 'tenant', 12), [
    'brief',
    ...Array.from({ length: QUANTUM_RECIPIENTS }, () => 'second'),
    'third',
  ]);
});

test('campaigns of one tenant take turns', () => {
  const sample = sampleQueue();
  for (let index = 0; index < 1_000; index++) sample.add({ campaign: 'sale' });
  for (let index = 0; index < 3; index++) sample.add({ campaign: 'receipt' });
  assert.deepEqual(leaving(sample, 'campaign', 6), ['sale', 'receipt', 'sale', 'receipt', 'sale', 'receipt']);
});

test('a tenant with many campaigns gets no more than one with a single one', () => {
  const sample = sampleQueue();
  for (let index = 0; index < 400; index++) sample.add({ tenant: 'many', campaign: `c${index % 40}` });
  for (let index = 0; index < 400; index++) sample.add({ tenant: 'one' });
  const order = leaving(sample, 'tenant', 400);
  assert.equal(order.filter((tenant) => tenant === 'one').length, 200);
});

test('a higher class leaves first', () => {
  const sample = sampleQueue();
  for (let index = 0; index < 3; index++) sample.add({ class: '-5' });
  for (let index = 0; index < 3; index++) sample.add({ class: '5' });
  assert.deepEqual(leaving(sample, 'class', 6), ['5', '5', '5', '-5', '-5', '-5']);
});

test('bulk under a busy higher class still leaves, one message for each step of its lower priority', () => {
  const sample = sampleQueue();
  for (let index = 0; index < 100; index++) sample.add({ class: '-5' });
  for (let index = 0; index < 1_000; index++) sample.add({ class: '5' });
  // One message leaves every 100 ms for 60 s.
  const order = leaving(sample, 'class', 600, (index) => START_MS + index * 100);
  const bulk = order.filter((name) => name === '-5').length;
  assert.equal(bulk, Math.floor(60_000 / (10 * AGEING_MS_PER_POINT + 100)));
  const waitedMs = order.indexOf('-5') * 100;
  assert.ok(Math.abs(waitedMs - 10 * AGEING_MS_PER_POINT) <= 100, `waited ${waitedMs} ms`);
});

test('an hour of bulk backlog does not go before a password reset', () => {
  const sample = sampleQueue();
  for (let index = 0; index < 1_000; index++) sample.add({ class: '-5' });
  leaving(sample, 'class', 10);
  const later = START_MS + 3_600_000;
  leaving(sample, 'class', 1, () => later);
  for (let index = 0; index < 20; index++) sample.add({ class: '5' }, {}, 'mx.example', later);
  assert.deepEqual(new Set(leaving(sample, 'class', 20, () => later)), new Set(['5']));
});

test('classes of equal priority share a lane', () => {
  const sample = sampleQueue();
  for (let index = 0; index < 4; index++) sample.add({ class: '1' });
  for (let index = 0; index < 4; index++) sample.add({ class: '1.0' });
  assert.deepEqual(leaving(sample, 'class', 4), ['1', '1.0', '1', '1.0']);
});

test('retries for a source and new mail take turns at that source', () => {
  const sample = sampleQueue();
  for (let index = 0; index < 50; index++) sample.add({ preferredSource: 'ip-1' });
  for (let index = 0; index < 50; index++) sample.add({});
  assert.deepEqual(leaving(sample, 'preferredSource', 4), ['ip-1', '', 'ip-1', '']);
});
