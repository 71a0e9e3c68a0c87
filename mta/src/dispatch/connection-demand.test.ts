import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionDemand, READY_PER_CONNECTION } from './connection-demand.ts';

test('a site that has not answered gets one connection, however much mail waits for it', () => {
  const demand = new ConnectionDemand();
  assert.equal(demand.wanted(0, true), 0);
  assert.equal(demand.wanted(10_000, false), 1);
});

test('a backlog gets more than one connection, a trickle does not', () => {
  const demand = new ConnectionDemand();
  assert.equal(demand.wanted(READY_PER_CONNECTION, true), 1);
  assert.equal(demand.wanted(READY_PER_CONNECTION + 1, true), 2);
});

test('mail for a slow provider does not queue behind a few connections', () => {
  const slow = new ConnectionDemand();
  const fast = new ConnectionDemand();
  for (let transaction = 0; transaction < 50; transaction++) {
    slow.observe(1_500);
    fast.observe(2);
  }
  assert.equal(slow.wanted(40, true), 40);
  assert.equal(fast.wanted(40, true), 5);
});
