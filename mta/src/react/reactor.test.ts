import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EffectivePolicy, EffectiveReaction, Facts } from '@sluice/crds';
import { OwnHits } from '../shape/mod.ts';
import { DirectiveSet } from './directive-set.ts';
import { type Judgement, Reactor } from './reactor.ts';

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
  const reactor = new Reactor(new OwnHits());
  return (
    nowMs: number,
    reply = TSS04,
    current = DirectiveSet.EMPTY,
    facts = FACTS,
    beganAtMs = nowMs,
  ): readonly Judgement[] =>
    reactor
      .judge({ reply, facts, policy, beganAtMs, current: () => current, nowMs: () => nowMs })
      .map(({ judgement }) => {
        assert.ok(!(judgement instanceof Promise));
        return judgement;
      });
};

const directivesOf = (judgements: readonly Judgement[]) => judgements.flatMap(({ directives }) => directives);

const namesOf = (judgements: readonly Judgement[]) => judgements.map(({ reaction }) => reaction);

const wentOffOf = (judgements: readonly Judgement[]) => namesOf(judgements.filter(({ wentOff }) => wentOff));

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
    assert.deepEqual(namesOf(early), ['tss04']);
    assert.deepEqual(directivesOf(early), []);
  }
  const other = judge(5, TSS04, DirectiveSet.EMPTY, { ...FACTS, sourceAddress: '192.0.2.11' });
  assert.deepEqual(wentOffOf(other), []);
  const sixth = judge(6);
  assert.deepEqual(wentOffOf(sixth), ['tss04']);
  const [directive, ...more] = directivesOf(sixth);
  assert.deepEqual(more, []);
  assert.deepEqual(directive?.effect, { type: 'Suspend' });
  assert.deepEqual(directive?.selector, { source: '192.0.2.10', site: 'mx.example' });
  assert.equal(directive?.expiresAtMs, 6 + 2 * HOUR_MS);
  assert.equal(directive?.reaction, 'tss04');
  assert.match(directive?.reason ?? '', /^reaction tss04: 421 4\.7\.0 \[TSS04\]/);
});

test('a second cut goes on from the first, not below the floor, and the bound is back when it is said to be', () => {
  const judge = judgeWith(policyWith(scale));
  const bounds = { recipientRate: { count: 100, periodMs: 1_000 } };
  const rateAt = (set: DirectiveSet) => {
    const rate = set.boundsOf('source-site', FACTS, bounds).recipientRate;
    return rate === undefined ? 0 : Math.round((rate.count * 1_000) / rate.periodMs);
  };
  const first = new DirectiveSet(directivesOf(judge(0)), 0);
  assert.equal(rateAt(first), 50);
  const second = new DirectiveSet(directivesOf(judge(10_000, TSS04, first)), 10_000);
  assert.equal(second.directives.length, 1, 'it replaces the first');
  assert.equal(rateAt(second), 25);
  const third = new DirectiveSet(directivesOf(judge(20_000, TSS04, second)), 20_000);
  assert.equal(rateAt(third), 20, 'the floor');
  assert.equal(rateAt(new DirectiveSet(third.directives, 20_000 + HOUR_MS)), 24, 'a step back');
  assert.deepEqual(new DirectiveSet(third.directives, 20_000 + 9 * HOUR_MS).directives, []);
});

test('connections that are refused at the moment of a cut cut once: replies to what began before it was obeyed are of before', () => {
  const judge = judgeWith(policyWith(scale));
  const first = new DirectiveSet(directivesOf(judge(60_000)), 60_000);
  const laterAttempts = [0, 30_000, 60_000, 60_999];
  for (const beganAtMs of laterAttempts)
    assert.deepEqual(wentOffOf(judge(70_000, TSS04, first, FACTS, beganAtMs)), []);
  assert.deepEqual(wentOffOf(judge(70_000, TSS04, first, FACTS, 61_000)), ['slow-down']);
  const elsewhere = { ...FACTS, sourceAddress: '192.0.2.11' };
  assert.deepEqual(wentOffOf(judge(70_000, TSS04, first, elsewhere, 0)), ['slow-down']);
});

test('a reaction that suspends for minutes does not shorten the suspension by one that suspends for hours', () => {
  const suspending = (name: string, code: number, forMs: number): EffectiveReaction => ({
    name,
    match: { codes: [code] },
    actions: [{ type: 'Suspend', suspend: { per: ['Source', 'Site'], forMs } }],
  });
  const judge = judgeWith(policyWith(suspending('long', 421, HOUR_MS), suspending('short', 450, 60_000)));
  const long = new DirectiveSet(directivesOf(judge(0)), 0);
  const [short] = directivesOf(judge(5_000, { ...TSS04, code: 450 }, long));
  assert.equal(short?.expiresAtMs, HOUR_MS);
});

test('RetryAfter and Bounce speak of the message', () => {
  const judge = judgeWith(
    policyWith(
      { name: 'a', match: { codes: [421] }, actions: [{ type: 'RetryAfter', retryAfter: { delayMs: 5 } }] },
      { name: 'b', match: { codes: [421] }, actions: [{ type: 'RetryAfter', retryAfter: { delayMs: 9 } }] },
      { name: 'c', match: { codes: [554] }, actions: [{ type: 'Bounce' }] },
    ),
  );
  assert.deepEqual(
    judge(0).map(({ reaction, wentOff, retryAfterMs }) => [reaction, wentOff, retryAfterMs]),
    [
      ['a', true, 5],
      ['b', true, 9],
    ],
  );
  assert.equal(judge(0, { ...TSS04, code: 554 })[0]?.bounce, true);
  assert.deepEqual(judge(0, { ...TSS04, code: 450 }), []);
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
  assert.deepEqual(
    directivesOf(judge(0)).map(({ effect, selector }) => ({ effect, selector })),
    [{ effect: { type: 'Reroute', pool: 'overflow' }, selector: { pool: 'main', group: 'yahoo' } }],
  );
});
