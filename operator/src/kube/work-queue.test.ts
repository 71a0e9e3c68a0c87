import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './until.fixture.ts';
import { WorkQueue, type WorkResult } from './work-queue.ts';

function queueOf(handle: (key: string) => Promise<WorkResult>, workers = 1) {
  const bugs: unknown[] = [];
  const queue = new WorkQueue({
    handle,
    onBug: (_key, error) => bugs.push(error),
    workers,
    random: () => 0,
    minMs: 4,
    maxMs: 60,
  });
  return { queue, bugs };
}

const done = { type: 'Done' } as const;

test('a key that is added a hundred times while it waits is handled once', async () => {
  const handled: string[] = [];
  const { queue } = queueOf(async (key) => {
    handled.push(key);
    return done;
  });
  for (let index = 0; index < 100; index++) queue.add('compile');
  queue.add('other');
  queue.start();
  await until('all is handled', () => queue.size === 0);
  assert.deepEqual(handled, ['compile', 'other']);
  await queue.stop();
});

test('news that come while a key is handled are not lost: it is handled once more, never twice at a time', async () => {
  let running = 0;
  let runs = 0;
  const gate = Promise.withResolvers<void>();
  const { queue } = queueOf(async () => {
    running++;
    runs++;
    assert.equal(running, 1);
    await gate.promise;
    running--;
    return done;
  }, 4);
  queue.start();
  queue.add('compile');
  await until('it runs', () => running === 1);
  queue.add('compile');
  queue.add('compile');
  gate.resolve();
  await until('all is handled', () => queue.size === 0);
  assert.equal(runs, 2);
  await queue.stop();
});

test('what fails is tried again with growing delays, and a success forgets them', async () => {
  const times: number[] = [];
  let failures = 4;
  const { queue } = queueOf(async () => {
    times.push(performance.now());
    return failures-- > 0 ? { type: 'Retry' } : done;
  });
  queue.start();
  queue.add('compile');
  await until('it succeeds', () => queue.size === 0 && times.length === 5);
  const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  for (const [index, leastMs] of [4, 8, 16, 32].entries())
    assert.ok((gaps[index] ?? 0) >= leastMs - 2, `${gaps}`);
  failures = 1;
  queue.add('compile');
  await until('it succeeds again', () => queue.size === 0 && times.length === 7);
  assert.ok((times[6] ?? 0) - (times[5] ?? 0) < 30, 'the back-off began anew');
  await queue.stop();
});

test('news of a key that waits for its next try are handled at once', async () => {
  let runs = 0;
  const { queue } = queueOf(async () => (++runs === 1 ? { type: 'Retry', afterMs: 60_000 } : done));
  queue.start();
  queue.add('compile');
  await until('it failed', () => runs === 1);
  queue.add('compile');
  await until('it is handled', () => queue.size === 0);
  assert.equal(runs, 2);
  await queue.stop();
});

test('a bug in a handler loses neither the key nor the queue', async () => {
  let runs = 0;
  const { queue, bugs } = queueOf(async () => {
    if (++runs === 1) throw new Error('bug');
    return done;
  });
  queue.start();
  queue.add('compile');
  await until('it is handled', () => queue.size === 0 && runs === 2);
  assert.match(String(bugs[0]), /bug/);
  await queue.stop();
});

test('pausing waits for what is under way and begins nothing: a leader that lost its lease writes no more', async () => {
  const gate = Promise.withResolvers<void>();
  const handled: string[] = [];
  const { queue } = queueOf(async (key) => {
    await gate.promise;
    handled.push(key);
    return done;
  });
  queue.start();
  queue.add('a');
  queue.add('b');
  const paused = queue.pause();
  gate.resolve();
  await paused;
  assert.deepEqual(handled, ['a']);
  queue.start();
  await until('the rest is handled', () => queue.size === 0);
  assert.deepEqual(handled, ['a', 'b']);
  await queue.stop();
});
