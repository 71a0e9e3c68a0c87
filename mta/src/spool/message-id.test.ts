import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import { array, assert as check, integer, property } from 'fast-check';
import { decodeTime, isValid } from 'ulid';
import { derivedMessageId, messageIds, newMessageId } from './message-id.ts';

test('an id is a ULID that tells when the message came', () => {
  const nowMs = 1_780_000_000_123;
  const id = messageIds(randomFillSync)(nowMs + 0.9);
  assert.ok(isValid(id), id);
  assert.equal(decodeTime(id), nowMs);
  assert.match(id, /^[0-9A-HJKMNP-TV-Z]{26}$/);
});

test('ids rise strictly, within a millisecond and when the clock is set back: whoever sorts by them sees the order of acceptance', () => {
  check(
    property(array(integer({ min: -3, max: 3 }), { maxLength: 200 }), (steps) => {
      const newId = messageIds(randomFillSync);
      let nowMs = 1_780_000_000_000;
      let last = '';
      for (const step of steps) {
        nowMs += step;
        const id = newId(nowMs);
        assert.ok(id > last, `${id} after ${last}`);
        last = id;
      }
    }),
  );
});

test('two processes do not give the same id', () => {
  const one = messageIds(randomFillSync);
  const two = messageIds(randomFillSync);
  const ids = new Set<string>();
  for (let count = 0; count < 20_000; count++) ids.add(one(count)).add(two(count));
  assert.equal(ids.size, 40_000);
});

test('ids of one burst differ', () => {
  const nowMs = Date.now();
  const ids = new Set(Array.from({ length: 100_000 }, () => newMessageId(nowMs)));
  assert.equal(ids.size, 100_000);
});

test('when the numbers of a millisecond are used up, ids go on rising', () => {
  // Ones in every bit: counting starts as high as it may.
  const newId = messageIds((bytes) => bytes.fill(0xff));
  let last = newId(1);
  for (let count = 0; count < 2 ** 24 + 5; count++) {
    const id = newId(1);
    if (id <= last) assert.fail(`${id} after ${last}`);
    last = id;
  }
  assert.equal(decodeTime(last), 2);
});

test('a message that is made again after a crash has the id of the first one, and no other message has', () => {
  const id = derivedMessageId(1_790_000_000_000.5, 'report on a');
  assert.match(id, /^[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.equal(decodeTime(id), 1_790_000_000_000);
  assert.equal(derivedMessageId(1_790_000_000_000.5, 'report on a'), id);
  assert.notEqual(derivedMessageId(1_790_000_000_000.5, 'report on b'), id);
});
