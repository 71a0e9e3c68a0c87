import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createQueue, type Entry } from '../queue/mod.ts';
import { HELD_RETRY_MS, HeldMail } from './held-mail.ts';

const START_MS = 1_800_000_000_000;

/** A queue with held mail; keys are there when `keys` names them. */
function heldMail() {
  const keys = new Set<string>();
  const asked: string[] = [];
  const queue = createQueue({
    classPriority: () => 0,
    onReady: () => {},
    onExpired: (entry) => queue.remove(entry),
  });
  const lane = queue.openLane('main', 'mx.example');
  queue.pinLane(lane);
  const held = new HeldMail({
    queue,
    clock: { nowMs: () => START_MS },
    signing: {
      sign: () => Promise.reject(new Error('not asked here')),
      hasKey: async (file) => {
        asked.push(file);
        return keys.has(file);
      },
    },
    onFault: (error) => assert.fail(String(error)),
  });
  let sequence = 0;
  const add = (file: string): Entry => {
    const unit = queue.unitOf(
      { pool: 'main', domain: 'a.example', tenant: '', campaign: '', class: '', preferredSource: '' },
      lane,
    );
    const entry = queue.insert(
      unit,
      {
        sequence: ++sequence,
        idCheck: 0,
        group: 0,
        acceptedAtMs: START_MS,
        dueAtMs: held.retryAtMs(),
        expireAtMs: START_MS + 72 * 3_600_000,
        attempts: 0,
        recipients: 1,
        sizeBytes: 100,
      },
      START_MS,
    );
    held.hold(entry, file);
    return entry;
  };
  const take = (): Entry | undefined => queue.take(lane, '', START_MS, () => 'take');
  return { queue, held, keys, asked, add, take };
}

test('held mail goes as soon as its key is there, and only the mail of that key', async (context) => {
  const { held, keys, asked, add, take, queue } = heldMail();
  context.after(() => held.close());
  const entry = add('/keys/a');
  add('/keys/b');
  add('/keys/b');
  await held.look();
  assert.deepEqual(asked, ['/keys/a', '/keys/b'], 'each key once, however much mail waits for it');
  assert.equal(take(), undefined);
  assert.equal(held.size, 3);
  keys.add('/keys/a');
  await held.look();
  assert.equal(take(), entry);
  assert.equal(take(), undefined);
  assert.equal(held.size, 2);
  assert.equal(queue.counts.waiting, 2);
});

test('what left the queue, or is on its way, is left alone, also when its number names another entry', async (context) => {
  const { held, keys, add, take, queue } = heldMail();
  context.after(() => held.close());
  queue.remove(add('/keys/a'));
  await held.look();
  assert.equal(held.size, 0, 'expired mail is not counted as held');
  const tried = add('/keys/a');
  queue.advance(START_MS + HELD_RETRY_MS + 10_000);
  assert.equal(take(), tried, 'it is tried now and then: the rules may name another key by then');
  const other = add('/keys/b');
  keys.add('/keys/a');
  await held.look();
  assert.equal(take(), undefined);
  assert.equal(queue.counts.taken, 1);
  queue.remove(tried);
  queue.remove(other);
  assert.equal(queue.size, 0);
});

test('held mail that goes to another pool still leaves as soon as its key is there, not an hour later', async (context) => {
  const { held, keys, add, take, queue } = heldMail();
  context.after(() => held.close());
  const entry = add('/keys/a');
  const [other, another] = [add('/keys/b'), add('/keys/b')];
  assert.ok(queue.takeOut(entry));
  const lane = queue.openLane('overflow', 'mx.example');
  queue.pinLane(lane);
  const key = { ...queue.unitKey(queue.unit(entry)), pool: 'overflow' };
  const moved = queue.insert(
    queue.unitOf(key, lane),
    {
      sequence: queue.sequence(entry),
      idCheck: 0,
      group: 0,
      acceptedAtMs: START_MS,
      dueAtMs: queue.dueAtMs(entry),
      expireAtMs: START_MS + 72 * 3_600_000,
      attempts: 0,
      recipients: 1,
      sizeBytes: 100,
    },
    START_MS,
  );
  held.moved(entry, moved);
  queue.remove(entry);
  // Its number names another one now, that waits for another key.
  assert.equal(add('/keys/b'), entry);
  keys.add('/keys/a');
  await held.look();
  assert.equal(
    queue.take(lane, '', START_MS, () => 'take'),
    moved,
  );
  assert.equal(take(), undefined, 'nothing else was released');
  assert.equal(held.size, 3);
  keys.add('/keys/b');
  await held.look();
  assert.deepEqual(new Set([take(), take(), take()]), new Set([entry, other, another]));
  assert.equal(held.size, 0);
});
