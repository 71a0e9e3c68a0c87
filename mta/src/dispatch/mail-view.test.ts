import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type DirectiveEffect, directiveId, type Selector } from '../react/mod.ts';
import { monotonicWallClock } from './clock.ts';
import { configOf, TestPod, until } from './dispatcher.fixture.ts';
import { type HostAnswers, MailHost } from './mail-host.fixture.ts';
import type { MailQuestion, MailView } from './mail-view.ts';

const LIMITS = {
  limits: [
    { name: 'site', per: ['Source', 'Site'], connections: 1 },
    { name: 'tenant', per: ['Tenant'], recipientRate: '1/min' },
  ],
};

async function podFor(context: TestContext, answers: HostAnswers = {}): Promise<TestPod> {
  const host = await new MailHost(answers).listen();
  const pod = new TestPod({
    config: configOf([{ address: '127.0.8.1' }, { address: '127.0.8.2', state: 'Draining' }], LIMITS),
    routes: [{ domain: 'a.example', hosts: [{ host: '127.0.0.1', port: host.port, preference: 0 }] }],
  });
  context.after(async () => {
    await pod.dispatcher.drain(0);
    await host.close();
    assert.deepEqual(pod.faults, []);
  });
  return pod;
}

function ask(pod: TestPod, more: Partial<MailQuestion> = {}): Promise<MailView> {
  return pod.dispatcher.mailView({ domain: 'a.example', sender: 's@esp.example', ...more }, 200);
}

async function order(pod: TestPod, effect: DirectiveEffect, selector: Selector): Promise<string> {
  const id = directiveId('Operator', effect, selector);
  const createdAtMs = monotonicWallClock.nowMs();
  await pod.directives.put([
    { id, effect, selector, origin: 'Operator', reason: 'test', createdAtMs, expiresAtMs: 0 },
  ]);
  await until('it is obeyed', () => pod.dispatcher.directives.some((each) => each.id === id));
  return id;
}

test('mail that waits for a connection: the limit, how much of it is held, and who of this pod waits', async (context) => {
  const pod = await podFor(context, { finalDotMs: 2_000 });
  for (const user of ['a', 'b', 'c']) await pod.send([`${user}@a.example`]);
  await until('one is in a transaction', () => pod.dispatcher.gauges().inFlight === 1);
  await new Promise((resolve) => setImmediate(resolve));
  const view = await ask(pod);
  assert.equal(view.pool, 'main');
  assert.deepEqual([view.mail.ready, view.mail.inFlight], [2, 1]);
  assert.equal(view.lane?.connections, 1);
  const [site] = view.limits;
  assert.deepEqual([view.limits.length, site?.limitName, site?.sources], [2, 'site', ['ip-1']]);
  assert.equal(site?.held?.connections, 1);
  assert.equal(site?.led.key?.connections?.inUse, 1);
  assert.deepEqual(
    view.sources.map(({ name, state }) => [name, state]),
    [
      ['ip-1', 'Active'],
      ['ip-2', 'Draining'],
    ],
  );
});

test('only mail that has a tenant meets the limit of a tenant; a slow rate says when its next turn may come', async (context) => {
  const pod = await podFor(context);
  assert.deepEqual(
    (await ask(pod)).limits.map(({ limitName }) => limitName),
    ['site', 'site'],
  );
  for (const user of ['a', 'b']) await pod.send([`${user}@a.example`], { tenant: 'shop' });
  await until('one is delivered', () => pod.told('delivered').length === 1);
  await until('the other one waits', () => pod.dispatcher.gauges().sleeping === 1);
  const view = await ask(pod, { tenant: 'shop' });
  const tenant = view.limits.find(({ limitName }) => limitName === 'tenant');
  assert.deepEqual([tenant?.id, tenant?.sources], ['tenant|Tenant=shop', ['ip-1', 'ip-2']]);
  const turnInMs = tenant?.held?.rates[0]?.turnInMs ?? 0;
  assert.ok(turnInMs > 50_000 && turnInMs <= 60_000, String(turnInMs));
  assert.equal(view.mail.asleep, 1);
  assert.equal((await ask(pod, { tenant: 'other' })).mail.asleep, 0);
});

test('directives that keep the mail, or a source from it, are named; those of other mail are not', async (context) => {
  const pod = await podFor(context);
  await order(pod, { type: 'Hold' }, { domain: 'b.example' });
  const suspension = await order(pod, { type: 'Suspend' }, { source: '127.0.8.1', domain: 'a.example' });
  const cut = await order(
    pod,
    { type: 'SetLimit', limitName: 'site', bounds: { connections: 7 } },
    { pool: 'main' },
  );
  const view = await ask(pod);
  assert.deepEqual(view.order, { kind: 'carry' });
  assert.equal(view.sources[0]?.suspendedBy, suspension);
  assert.deepEqual(view.directives.map(({ id }) => id).sort(), [cut, suspension].sort());
  assert.equal(view.limits[0]?.bounds.connections, 7, 'bounds are those in force');
  const hold = await order(pod, { type: 'Hold' }, { domain: 'a.example' });
  assert.deepEqual((await ask(pod)).order, { kind: 'wait', directive: hold });
});

test('a site that refused says until when it is left alone and what it said; a domain that cannot be found says why', async (context) => {
  const pod = await podFor(context, { greeting: () => '421 4.7.0 not now' });
  await pod.send(['a@a.example']);
  await until('it was refused', () => pod.told('deferred').length === 1);
  const view = await ask(pod);
  assert.equal(view.lane?.lastReply, '421 4.7.0 not now');
  assert.ok(Date.parse(view.lane?.pausedUntil ?? '') > Date.now());
  assert.equal(view.mail.waiting, 1);
  assert.ok((view.mail.nextDueInMs ?? 0) > 1_000);
  const nowhere = await ask(pod, { domain: 'nowhere.example' });
  assert.match(nowhere.noRoute ?? '', /^4/);
  assert.deepEqual(nowhere.limits, []);
});
