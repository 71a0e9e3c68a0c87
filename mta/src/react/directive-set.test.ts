import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Directive, type DirectiveEffect, directiveId, directiveSchema } from './directive.ts';
import { DirectiveSet } from './directive-set.ts';
import { type Selector, type SelectorField, selectorOf, selectorText, selects } from './selector.ts';

const HOUR_MS = 3_600_000;

function directive(effect: DirectiveEffect, selector: Selector, fields: Partial<Directive> = {}): Directive {
  const origin = fields.origin ?? 'Operator';
  return directiveSchema.parse({
    id: directiveId(origin, effect, selector),
    effect,
    selector,
    origin,
    reason: 'test',
    createdAtMs: 0,
    expiresAtMs: 0,
    ...fields,
  });
}

const FACTS = {
  pool: 'main',
  sourceName: 'ip-1',
  sourceAddress: '192.0.2.10',
  site: 'mx.example',
  group: 'google',
  domain: 'a.example',
  tenant: 'shop',
};

test('a suspended source is found by its name and by its address, only where all fields agree', () => {
  const byName = directive({ type: 'Suspend' }, { source: 'ip-1', site: 'mx.example' });
  const byAddress = directive({ type: 'Suspend' }, { source: '192.0.2.11' });
  const set = new DirectiveSet([byName, byAddress], 0);
  assert.equal(set.find('Suspend', FACTS), byName);
  assert.equal(set.find('Suspend', { ...FACTS, site: 'other.example' }), undefined);
  assert.equal(set.find('Suspend', { ...FACTS, sourceName: 'x', sourceAddress: '192.0.2.11' }), byAddress);
  assert.equal(set.find('Hold', FACTS), undefined);
});

test('a lane asks only for what holds for all of its mail; a selector on a tenant is not that', () => {
  const lane = new Set<SelectorField>(['pool', 'source', 'site', 'group']);
  const tenant = directive({ type: 'Suspend' }, { source: 'ip-1', tenant: 'shop' });
  const set = new DirectiveSet([tenant], 0);
  assert.equal(set.find('Suspend', FACTS, lane), undefined);
  assert.equal(set.find('Suspend', FACTS), tenant);
  assert.ok(set.asksBeyond('Suspend', lane));
  assert.ok(!set.asksBeyond('Hold', lane));
});

test('what has expired holds no longer, and the set knows when that will be', () => {
  const short = directive({ type: 'Suspend' }, { source: 'ip-1' }, { expiresAtMs: 5_000 });
  const scale = directive(
    {
      type: 'Scale',
      limitName: 'l',
      bound: 'recipientRate',
      percent: 50,
      recoverPercent: 200,
      recoverEveryMs: 2_000,
    },
    { source: 'ip-1' },
    { expiresAtMs: 2_000 },
  );
  const set = new DirectiveSet([short, scale], 1_000);
  assert.equal(set.nextChangeAtMs(), 2_000);
  const later = new DirectiveSet([short, scale], 2_000);
  assert.deepEqual(later.directives, [short]);
  assert.equal(later.nextChangeAtMs(), 5_000);
  assert.equal(new DirectiveSet([short], 5_000).find('Suspend', FACTS), undefined);
  assert.equal(
    new DirectiveSet([directive({ type: 'Hold' }, { tenant: 'shop' })], 0).nextChangeAtMs(),
    undefined,
  );
});

test('bounds: a reaction sets, a share is cut from it, and what an operator says comes last', () => {
  const bounds = { connections: 10, recipientRate: { count: 100, periodMs: 1_000 } };
  const set = directive(
    { type: 'SetLimit', limitName: 'site', bounds: { connections: 4 } },
    { site: 'mx.example' },
    { origin: 'Reaction', expiresAtMs: HOUR_MS },
  );
  const scale = directive(
    {
      type: 'Scale',
      limitName: 'site',
      bound: 'connections',
      percent: 50,
      recoverPercent: 120,
      recoverEveryMs: HOUR_MS,
    },
    { source: '192.0.2.10', site: 'mx.example' },
    { origin: 'Reaction', expiresAtMs: 4 * HOUR_MS },
  );
  const rate = directive(
    {
      type: 'Scale',
      limitName: 'site',
      bound: 'recipientRate',
      percent: 25,
      recoverPercent: 120,
      recoverEveryMs: HOUR_MS,
    },
    { site: 'mx.example' },
    { origin: 'Reaction', expiresAtMs: 8 * HOUR_MS },
  );
  const byHand = directive(
    { type: 'SetLimit', limitName: 'site', bounds: { recipientRate: 'Unlimited' } },
    { group: 'google' },
  );
  assert.deepEqual(new DirectiveSet([set, scale, rate], 0).boundsOf('site', FACTS, bounds), {
    connections: 2,
    recipientRate: { count: 100, periodMs: 4_000 },
  });
  assert.deepEqual(new DirectiveSet([set, scale, rate, byHand], 0).boundsOf('site', FACTS, bounds), {
    connections: 2,
  });
  const elsewhere = { ...FACTS, site: 'other.example', group: '' };
  assert.equal(new DirectiveSet([set, scale, rate, byHand], 0).boundsOf('site', elsewhere, bounds), bounds);
  assert.equal(new DirectiveSet([set, scale], 0).boundsOf('other-limit', FACTS, bounds), bounds);
});

test('where there is no Group a directive takes the site: it must not stop every destination without one', () => {
  assert.deepEqual(selectorOf(['Source', 'Group'], { ...FACTS, group: '' }), {
    source: '192.0.2.10',
    site: 'mx.example',
  });
  assert.deepEqual(selectorOf(['Source', 'Group'], FACTS), { source: '192.0.2.10', group: 'google' });
  assert.deepEqual(selectorOf(['Campaign'], FACTS), {});
});

test('finding by index is the same as asking every directive, and no two choices have one name', () => {
  const small = fc.constantFrom('a', 'b');
  const selector = fc
    .record({ pool: small, source: small, group: small, tenant: small }, { requiredKeys: [] })
    .filter((each) => Object.keys(each).length > 0);
  const facts = fc.record(
    { pool: small, sourceName: small, sourceAddress: small, group: small, tenant: small },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(fc.array(selector, { maxLength: 8 }), facts, (selectors, asked) => {
      const all = selectors.map((each) => directive({ type: 'Suspend' }, each));
      const found = new DirectiveSet(all, 0).find('Suspend', asked);
      const expected = all.filter((each) => selects(each.selector, asked)).map(({ id }) => id);
      if (found === undefined) assert.deepEqual(expected, []);
      else assert.ok(expected.includes(found.id));
    }),
  );
  assert.notEqual(selectorText({ source: 'a,group=b' }), selectorText({ source: 'a', group: 'b' }));
});

test('a directive without a selector, or with a field that is unknown, is refused', () => {
  const good = directive({ type: 'Suspend' }, { pool: 'main' });
  assert.ok(directiveSchema.safeParse(good).success);
  assert.ok(!directiveSchema.safeParse({ ...good, selector: {} }).success);
  assert.ok(!directiveSchema.safeParse({ ...good, selector: { colour: 'red' } }).success);
});
