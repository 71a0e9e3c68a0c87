import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RECENT_MS, RecentOutcomes } from './recent-outcomes.ts';
import { SiteActivitySet } from './site-activity.ts';

test('a steady flow is seen as its rate, one that stopped fades within seconds', () => {
  const recent = new RecentOutcomes();
  for (let nowMs = 0; nowMs < 30_000; nowMs += 20) recent.record('delivered', 2, nowMs);
  const steady = recent.rates(30_000);
  assert.ok(Math.abs(steady.messages - 50) < 1, String(steady.messages));
  assert.ok(Math.abs(steady.delivered - 100) < 2, String(steady.delivered));
  assert.ok(recent.rates(30_000 + 5 * RECENT_MS).delivered < 1);
});

test('deferred, bounced and expired recipients are no deliveries', () => {
  const recent = new RecentOutcomes();
  recent.record('deferred', 5, 0);
  recent.record('bounced', 1, 0);
  recent.record('expired', 1, 0);
  assert.deepEqual(recent.rates(0), { messages: 0, delivered: 0, deferred: 1, failed: 0.4 });
});

test('with any number of sites memory is bounded, and a site that goes on sending is not forgotten', () => {
  const sites = new SiteActivitySet(10);
  for (let round = 0; round < 100; round++) {
    sites.record('busy.example', 'big', 'delivered', 1, round);
    sites.record(`quiet-${round}.example`, '', 'delivered', 1, round);
  }
  const known = [...sites];
  assert.ok(known.length <= 20);
  assert.equal(new Set(known.map(({ site }) => site)).size, known.length, 'each once');
  const [busy] = known.filter(({ site }) => site === 'busy.example');
  assert.ok((busy?.recent.rates(100).messages ?? 0) > 15, 'with all that it sent');
});
