import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EffectivePolicy, EffectiveReaction, Facts } from '@sluice/crds';
import { DirectiveSet } from './directive-set.ts';
import { HitCounter } from './hit-counter.ts';
import { Reactor } from './reactor.ts';

const HOUR_MS = 3_600_000;

const FACTS: Facts = {
  pool: 'main',
  sourceAddress: '192.0.2.10',
  sourceName: 'ip-1',
  sourceLabels: {},
  site: 'mx.example',
  group: 'yahoo',
  domain: 'yahoo.example',
  mxHost: 'mta5.example',
  tenant: 'shop',
  tenantLabels: {},
  campaign: '',
  class: '',
};

const TSS04 = {
  code: 421,
  enhanced: '4.7.0',
  text: '[TSS04] Messages from 192.0.2.10 temporarily deferred due to unexpected volume',
  phase: 'Mail',
};

function policyWith(...reactions: readonly EffectiveReaction[]): EffectivePolicy {
  const timeouts = {
    connectMs: 1,
    greetingMs: 1,
    ehloMs: 1,
    startTlsMs: 1,
    authMs: 1,
    mailMs: 1,
    rcptMs: 1,
    dataMs: 1,
    dataBlockMs: 1,
    finalDotMs: 1,
    rsetMs: 1,
    quitMs: 1,
  };
  return {
    group: 'yahoo',
    session: {
      messagesPerConnection: 1,
      recipientsPerTransaction: 1,
      idleTimeoutMs: 1,
      timeouts,
      tls: { level: 'Opportunistic', mtaSTS: 'Enabled', dane: 'Disabled' },
    },
    retry: { delaysMs: [1], expireAfterMs: 1 },
    limits: [
      {
        name: 'source-site',
        per: ['Source', 'Site'],
        scope: 'Cluster',
        bounds: { connections: 8, recipientRate: { count: 100, periodMs: 1_000 } },
        overrides: [],
      },
    ],
    reactions,
  };
}

const scale: EffectiveReaction = {
  name: 'slow-down',
  match: { codes: [421] },
  actions: [
    {
      type: 'Scale',
      scale: {
        limitName: 'source-site',
        bound: 'RecipientRate',
        percent: 50,
        floor: { count: 20, periodMs: 1_000 },
        recoverPercent: 120,
        recoverEveryMs: HOUR_MS,
      },
    },
  ],
};

const judgeWith = (policy: EffectivePolicy) => {
  const reactor = new Reactor(new HitCounter());
  return (nowMs: number, reply = TSS04, current = DirectiveSet.EMPTY, facts = FACTS) =>
    reactor.judge(reply, facts, policy, current, nowMs);
};

test('the fifth hit within the hour suspends this source at this site, the fourth does not, another source counts apart', () => {
  const judge = judgeWith(
    policyWith({
      name: 'tss04',
      match: { codes: [421], text: '\\[TSS04\\]' },
      trigger: { count: 5, withinMs: HOUR_MS, per: ['Source', 'Site'] },
      actions: [{ type: 'Suspend', suspend: { per: ['Source', 'Site'], forMs: 2 * HOUR_MS } }],
    }),
  );
  for (let hit = 1; hit <= 4; hit++) {
    const early = judge(hit);
    assert.deepEqual(early.hits, ['tss04']);
    assert.deepEqual(early.directives, []);
  }
  const other = judge(5, TSS04, DirectiveSet.EMPTY, { ...FACTS, sourceAddress: '192.0.2.11' });
  assert.deepEqual(other.wentOff, []);
  const { wentOff, directives } = judge(6);
  assert.deepEqual(wentOff, ['tss04']);
  const [directive, ...more] = directives;
  assert.deepEqual(more, []);
  assert.deepEqual(directive?.effect, { type: 'Suspend' });
  assert.deepEqual(directive?.selector, { source: '192.0.2.10', site: 'mx.example' });
  assert.equal(directive?.expiresAtMs, 6 + 2 * HOUR_MS);
  assert.match(directive?.reason ?? '', /^reaction tss04: 421 4\.7\.0 \[TSS04\]/);
});

test('a second cut goes on from the first, not below the floor, and the bound is back when it is said to be', () => {
  const judge = judgeWith(policyWith(scale));
  const bounds = { recipientRate: { count: 100, periodMs: 1_000 } };
  const rateAt = (set: DirectiveSet) => {
    const rate = set.boundsOf('source-site', FACTS, bounds).recipientRate;
    return rate === undefined ? 0 : Math.round((rate.count * 1_000) / rate.periodMs);
  };
  const first = new DirectiveSet(judge(0).directives, 0);
  assert.equal(rateAt(first), 50);
  const second = new DirectiveSet(judge(10, TSS04, first).directives, 10);
  assert.equal(second.directives.length, 1, 'it replaces the first');
  assert.equal(rateAt(second), 25);
  const third = new DirectiveSet(judge(20, TSS04, second).directives, 20);
  assert.equal(rateAt(third), 20, 'the floor');
  assert.equal(rateAt(new DirectiveSet(third.directives, 20 + HOUR_MS)), 24, 'a step back');
  assert.deepEqual(new DirectiveSet(third.directives, 20 + 9 * HOUR_MS).directives, []);
});

test('RetryAfter and Bounce speak of the message, the longest delay wins', () => {
  const judge = judgeWith(
    policyWith(
      { name: 'a', match: { codes: [421] }, actions: [{ type: 'RetryAfter', retryAfter: { delayMs: 5 } }] },
      { name: 'b', match: { codes: [421] }, actions: [{ type: 'RetryAfter', retryAfter: { delayMs: 9 } }] },
      { name: 'c', match: { codes: [554] }, actions: [{ type: 'Bounce' }] },
    ),
  );
  assert.deepEqual(judge(0), {
    hits: ['a', 'b'],
    wentOff: ['a', 'b'],
    bounce: false,
    retryAfterMs: 9,
    directives: [],
  });
  assert.equal(judge(0, { ...TSS04, code: 554 }).bounce, true);
  assert.deepEqual(judge(0, { ...TSS04, code: 450 }).hits, []);
});

test('an action on a limit that does not bound this mail does nothing; mail is rerouted from its own pool only', () => {
  const judge = judgeWith(
    policyWith({
      name: 'r',
      match: { codes: [421] },
      trigger: { count: 1, withinMs: 1_000, per: ['Source', 'Group'] },
      actions: [
        { type: 'SetLimit', setLimit: { limitName: 'gone', bounds: { connections: 1 }, forMs: 5 } },
        { type: 'Reroute', reroute: { pool: 'overflow', forMs: 5 } },
        { type: 'Reroute', reroute: { pool: 'main', forMs: 5 } },
      ],
    }),
  );
  const { directives } = judge(0);
  assert.deepEqual(
    directives.map(({ effect, selector }) => ({ effect, selector })),
    [{ effect: { type: 'Reroute', pool: 'overflow' }, selector: { pool: 'main', group: 'yahoo' } }],
  );
});
