import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { createShaper, type LimitKey } from '../shape/mod.ts';
import { configOf } from './dispatcher.fixture.ts';
import { FIRST_SOURCE_REST_MS } from './lane-source.ts';
import { LaneSources } from './lane-sources.ts';

const ONE_SLOT: LimitKey = {
  id: 'host',
  limitName: 'host',
  scope: 'Cluster',
  bounds: { connections: 1 },
  generation: 1,
  shard: 'a',
};

function sourcesOf(addresses: readonly string[]) {
  const [pool] = configOf(addresses.map((address) => ({ address }))).pools;
  assert.ok(pool !== undefined);
  const shaper = createShaper();
  let pumps = 0;
  const sources = new LaneSources(pool, {
    shaper,
    oldestSinceMs: () => 0,
    pump: () => pumps++,
    nowMs: () => 0,
    suspends: () => false,
  });
  const named = (name: string) => {
    const found = sources.named(name);
    assert.ok(found !== undefined);
    return found;
  };
  return { sources, shaper, named, pumps: () => pumps };
}

test('two connections of a source that wait for a slot of a host are both remembered: neither waits for ever', () => {
  const { named, shaper, pumps } = sourcesOf(['127.0.8.1']);
  const source = named('ip-1');
  const held = shaper.takeConnection({ keys: [ONE_SLOT] }, source.connectionWaiter, 0);
  assert.ok(held.granted);
  const [one, two] = [source.takeHostWaiter(), source.takeHostWaiter()];
  for (const waiter of [one, two]) {
    assert.ok(!shaper.takeConnection({ keys: [ONE_SLOT] }, waiter, 0).granted);
    source.connectionBlocked = true;
  }
  shaper.release(held, 1);
  assert.equal(source.connectionBlocked, false);
  const again = source.takeHostWaiter();
  assert.equal(again, one, 'the next connection comes as the waiter for whom the slot is kept');
  const next = shaper.takeConnection({ keys: [ONE_SLOT] }, again, 1);
  assert.ok(next.granted);
  shaper.release(next, 2);
  assert.equal(source.takeHostWaiter(), two);
  assert.equal(pumps(), 2);
});

test('a refused source rests each time longer while another one carries its mail, and comes back by itself', (context) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  context.after(() => mock.timers.reset());
  const { sources, named, pumps } = sourcesOf(['127.0.8.1', '127.0.8.2']);
  const refused = named('ip-1');
  refused.restLonger();
  assert.ok(!refused.usable && sources.standsInFor('ip-1'));
  assert.ok(sources.hasAlternativeTo(refused) && !sources.hasAlternativeTo(named('ip-2')));
  assert.equal(sources.choose((each) => each.usable)?.source.name, 'ip-2');
  mock.timers.tick(FIRST_SOURCE_REST_MS);
  assert.ok(refused.usable);
  assert.equal(pumps(), 1);
  refused.restLonger();
  mock.timers.tick(FIRST_SOURCE_REST_MS);
  assert.ok(!refused.usable);
  refused.connections = 1;
  assert.ok(refused.usable, 'its open sessions may carry on');
  sources.close();
});

test('a retry does not wait for a source that is gone from the pool', () => {
  const { sources } = sourcesOf(['127.0.8.1']);
  assert.ok(sources.standsInFor('retired'));
  assert.ok(!sources.standsInFor('ip-1'));
});
