import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NOTHING_TO_REPORT } from '@sluice/crds';
import { SessionBook } from './session-book.ts';

const record = (more: object = {}) =>
  Buffer.from(
    JSON.stringify({
      session: 'x',
      renewals: 1,
      segments: '',
      ended: false,
      host: 'mta-0',
      version: '1',
      configHash: 'h',
      generation: 7,
      state: 'ready',
      ...more,
    }),
  );
const names = (book: SessionBook) => book.living.map(({ session }) => session);

test('a pod that is killed is not waited for longer than 20 s; one that renews is', () => {
  const book = new SessionBook();
  book.read('a', record(), 0, 0);
  book.read('b', record(), 0, 0);
  for (let nowMs = 2_000; nowMs <= 20_000; nowMs += 2_000) {
    if (nowMs % 4_000 === 0) book.read('a', record(), 0, nowMs);
    if (nowMs < 20_000) assert.deepEqual(names(book), ['a', 'b'], `${nowMs}`);
    book.caughtUp(nowMs);
  }
  assert.deepEqual(names(book), ['a']);
  book.read('a', record({ ended: true }), 0, 21_000);
  assert.deepEqual(names(book), [], 'one that says that it is over is over at once');
});

test('while the watch is behind or NATS is away nobody dies: pods that live would count as gone', () => {
  const book = new SessionBook();
  book.read('a', record(), 0, 0);
  book.caughtUp(1_000);
  book.caughtUp(300_000);
  assert.deepEqual(names(book), ['a'], 'nobody could renew anything meanwhile');
  book.caughtUp(306_000);
  book.caughtUp(314_000);
  assert.deepEqual(names(book), ['a']);
  book.caughtUp(320_000);
  assert.deepEqual(names(book), []);
});

test('an operator that starts does not count the dead of the last hour, which the bucket still has', () => {
  const book = new SessionBook();
  book.read('dead', record(), 1_800_000, 5_000);
  book.read('alive', record(), 3_900, 5_000);
  book.caughtUp(5_000);
  assert.deepEqual(names(book), ['alive']);
});

test('what others write into the bucket is no pod, and no news is no change', () => {
  const book = new SessionBook();
  for (const text of ['', '{}', 'x', JSON.stringify({ host: 'a' })]) book.read('x', Buffer.from(text), 0, 0);
  assert.deepEqual(names(book), []);
  book.read('a', record(), 0, 0);
  book.readReport('a', Buffer.from(JSON.stringify(NOTHING_TO_REPORT)), 0);
  book.readReport('a', Buffer.from('nonsense'), 0);
  const { living } = book;
  assert.deepEqual(living[0]?.report, NOTHING_TO_REPORT);
  book.read('a', record({ renewals: 2, segments: 'AAAA' }), 0, 4_000);
  book.readReport('a', Buffer.from(JSON.stringify(NOTHING_TO_REPORT)), 4_000);
  assert.equal(book.living, living, 'the same list: a renewal wakes nobody');
  book.read('a', record({ generation: 8 }), 0, 8_000);
  assert.notEqual(book.living, living);
});

test('a bucket that somebody fills does not fill the operator', () => {
  const book = new SessionBook();
  for (let index = 0; index < 12_000; index++) book.read(`s${index}`, record(), 0, 0);
  assert.equal(book.living.length, 10_000);
});
