import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BoundedCache } from './bounded-cache.ts';

test('a flood of domains that come once does not grow memory and does not push out the busy ones', () => {
  const cache = new BoundedCache<number>(100);
  cache.set('busy.example', 1);
  for (let number = 0; number < 10_000; number++) {
    cache.set(`once-${number}.example`, number);
    assert.equal(cache.get('busy.example'), 1);
    assert.ok(cache.size <= 100);
  }
  assert.equal(cache.get('once-9999.example'), 9999);
  assert.equal(cache.get('once-1.example'), undefined);
});

test('when all are busy one still goes', () => {
  const cache = new BoundedCache<number>(3);
  for (const key of ['a', 'b', 'c']) {
    cache.set(key, 0);
    cache.get(key);
  }
  cache.set('d', 4);
  assert.equal(cache.size, 3);
  assert.equal(cache.get('d'), 4);
});

test('a new value replaces the old one in place', () => {
  const cache = new BoundedCache<number>(3);
  cache.set('a', 1);
  cache.set('a', 2);
  assert.equal(cache.get('a'), 2);
  assert.equal(cache.size, 1);
});

test('many busy domains all survive a flood', () => {
  const cache = new BoundedCache<number>(1_000);
  const hot = Array.from({ length: 500 }, (_, number) => `hot-${number}.example`);
  for (const key of hot) cache.set(key, 0);
  for (let number = 0; number < 20_000; number++) {
    cache.set(`once-${number}.example`, number);
    // Each is used once in 500 newcomers, as many as there is room for.
    cache.get(hot[number % hot.length] ?? '');
  }
  assert.equal(hot.filter((key) => cache.get(key) !== undefined).length, hot.length);
  assert.equal(cache.size, 1_000);
});
