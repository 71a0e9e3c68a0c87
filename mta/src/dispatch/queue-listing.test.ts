import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupsIn, type ListedUnit, mergeListings, queueListing } from './queue-listing.ts';

function unit(tenant: string, domain: string, ready: number, fields: Partial<ListedUnit> = {}): ListedUnit {
  return {
    key: { pool: 'main', domain, tenant, campaign: '', class: '', preferredSource: '' },
    site: `mx.${domain}`,
    counts: {
      ready,
      asleep: 0,
      waiting: 1,
      taken: 0,
      recipients: ready + 1,
      oldestAcceptedAtMs: 1_000 - ready,
      nextDueAtMs: 5_000 + ready,
    },
    lastReply: '',
    lastReplyAtMs: 0,
    ...fields,
  };
}

const UNITS = [
  unit('shop', 'a.example', 3, { lastReply: '421 slow down', lastReplyAtMs: 10 }),
  unit('shop', 'b.example', 1, { lastReply: '450 later', lastReplyAtMs: 20 }),
  unit('news', 'b.example', 7),
];

test('rows add up what belongs together: counts, the oldest, the soonest, the latest reply', () => {
  const [news, shop, ...others] = queueListing(UNITS, 'Tenant');
  assert.deepEqual(others, []);
  assert.equal(news?.tenant, 'news');
  assert.deepEqual(shop, {
    pool: '',
    site: '',
    tenant: 'shop',
    domain: '',
    ready: 4,
    asleep: 0,
    waiting: 2,
    inFlight: 0,
    recipients: 6,
    oldestAcceptedAtMs: 997,
    nextDueAtMs: 5_001,
    lastReply: '450 later',
    lastReplyAtMs: 20,
  });
});

test('filters narrow what is counted, whatever the rows are by', () => {
  const domains = queueListing(UNITS, 'Domain', { tenant: 'shop' });
  assert.deepEqual(
    domains.map((row) => [row.domain, groupsIn(row)]),
    [
      ['a.example', 4],
      ['b.example', 2],
    ],
  );
  assert.deepEqual(
    queueListing(UNITS, 'Lane', { domain: 'B.example', tenant: 'shop' })[0]?.site,
    'mx.b.example',
  );
  assert.deepEqual(queueListing(UNITS, 'Lane', { class: 'bulk' }), []);
});

test('listings of several pods merge to what one pod with all their mail would say', () => {
  const [first, ...rest] = UNITS;
  assert.ok(first);
  const apart = mergeListings([queueListing([first], 'Domain'), queueListing(rest, 'Domain')]);
  assert.deepEqual(apart, queueListing(UNITS, 'Domain'));
});
