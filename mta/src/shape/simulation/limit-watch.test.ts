import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LimitWatch } from './limit-watch.ts';

const bounds = { connections: 1, recipientRate: { count: 1, periodMs: 1_000 }, burst: 2 };

describe('the watch that judges simulations', () => {
  test('sees one connection too many', () => {
    const watch = new LimitWatch('a', bounds, 0);
    watch.connect(0);
    assert.deepEqual(watch.violations, []);
    watch.connect(0);
    assert.equal(watch.violations.length, 1);
  });

  test('sees one recipient too many in any window, and allows the burst', () => {
    const watch = new LimitWatch('a', bounds, 0);
    watch.spend('recipientRate', 2, 10_000);
    watch.spend('recipientRate', 1, 11_000);
    assert.deepEqual(watch.violations, []);
    watch.spend('recipientRate', 1, 11_900);
    assert.equal(watch.violations.length, 1);
  });

  test('allows one cost above the burst and not two', () => {
    const watch = new LimitWatch('a', bounds, 0);
    watch.spend('recipientRate', 10, 0);
    watch.spend('recipientRate', 10, 10_000);
    assert.deepEqual(watch.violations, []);
    watch.spend('recipientRate', 10, 15_000);
    assert.equal(watch.violations.length, 1);
  });
});
