import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Directive, type DirectiveEffect, directiveId, type Selector } from '../react/mod.ts';
import type { NoRoute, Router } from '../route/mod.ts';
import { monotonicWallClock } from './clock.ts';
import { configOf, type PodSetup, TestPod, until } from './dispatcher.fixture.ts';
import { type HostAnswers, MailHost } from './mail-host.fixture.ts';

const TWO_SOURCES = [{ address: '127.0.8.1' }, { address: '127.0.8.2' }];

async function hostFor(context: TestContext, answers: HostAnswers = {}): Promise<MailHost> {
  const host = await new MailHost(answers).listen();
  context.after(() => host.close());
  return host;
}

function podFor(context: TestContext, host: MailHost, setup: Partial<PodSetup> = {}): TestPod {
  const pod = new TestPod({
    config: configOf(TWO_SOURCES),
    routes: [{ domain: '*', hosts: [{ host: '127.0.0.1', port: host.port, preference: 0 }] }],
    ...setup,
  });
  context.after(async () => {
    await pod.dispatcher.drain(0);
    assert.deepEqual(pod.faults, []);
  });
  return pod;
}

function order(effect: DirectiveEffect, selector: Selector, reason = 'test'): Directive {
  return {
    id: directiveId('Operator', effect, selector),
    effect,
    selector,
    origin: 'Operator',
    reason,
    createdAtMs: monotonicWallClock.nowMs(),
    expiresAtMs: 0,
  };
}

const takeBack = (pod: TestPod): Promise<number> =>
  pod.directives.remove(pod.directives.set.directives.map(({ id }) => id));

/** Name of the site of a static route. */
const siteOf = ({ port }: MailHost): string => `127.0.0.1:${port};static`;

const numbered = (count: number, domain: string): string[] =>
  Array.from({ length: count }, (_, index) => `u${index}@${domain}`);

async function sendAll(pod: TestPod, recipients: readonly string[], tenant = ''): Promise<void> {
  for (const recipient of recipients) await pod.send([recipient], { tenant });
}

test('a suspended source carries nothing, the other one carries all, and when it is over both do', async (context) => {
  const host = await hostFor(context);
  const pod = podFor(context, host);
  await pod.directives.put([order({ type: 'Suspend' }, { source: '127.0.8.1' })]);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 1);
  await sendAll(pod, numbered(60, 'a.example'));
  await until('all are delivered', () => pod.told('delivered').length === 60);
  assert.deepEqual(new Set(host.taken.map(({ source }) => source)), new Set(['127.0.8.2']));
  await takeBack(pod);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 0);
  await sendAll(pod, numbered(200, 'a.example'));
  await until('all are delivered', () => pod.told('delivered').length === 260);
  assert.ok(host.taken.some(({ source }) => source === '127.0.8.1'));
});

test('a source is suspended in the middle of a burst: its sessions end, none of its mail is lost or charged', async (context) => {
  const host = await hostFor(context, { finalDotMs: 5 });
  const pod = podFor(context, host);
  await sendAll(pod, numbered(300, 'a.example'));
  await until('both work', () => new Set(host.taken.map(({ source }) => source)).size === 2);
  await pod.directives.put([order({ type: 'Suspend' }, { source: 'ip-1', site: siteOf(host) })]);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 1);
  const already = host.taken.filter(({ source }) => source === '127.0.8.1').length;
  await until('all are delivered', () => pod.told('delivered').length === 300);
  assert.deepEqual(pod.told('deferred'), []);
  const after = host.taken.filter(({ source }) => source === '127.0.8.1').length - already;
  assert.ok(after <= 20, `${after} messages of transactions that ran`);
});

test("one tenant's mail through one source is suspended: it leaves through the other, and other tenants through both", async (context) => {
  const host = await hostFor(context);
  const pod = podFor(context, host);
  await pod.directives.put([order({ type: 'Suspend' }, { source: 'ip-1', tenant: 'shop' })]);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 1);
  await sendAll(pod, numbered(100, 'a.example'), 'shop');
  await until('all are delivered', () => pod.told('delivered').length === 100);
  assert.deepEqual(new Set(host.taken.map(({ source }) => source)), new Set(['127.0.8.2']));
  await sendAll(pod, numbered(100, 'a.example'), 'news');
  await until('all are delivered', () => pod.told('delivered').length === 200);
  assert.ok(host.taken.some(({ source }) => source === '127.0.8.1'));
});

test('a suspended tenant waits, others do not, and nothing is charged for the wait', async (context) => {
  const host = await hostFor(context);
  const pod = podFor(context, host);
  await pod.directives.put([order({ type: 'Suspend' }, { tenant: 'shop' })]);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 1);
  await sendAll(pod, numbered(5, 'a.example'), 'shop');
  await sendAll(pod, numbered(5, 'a.example'), 'news');
  await until('the others are delivered', () => pod.told('delivered').length === 5);
  assert.equal(
    pod.dispatcher.chosenBy([{ tenant: 'shop' }, { tenant: 'shop', domain: 'a.example' }]).groups,
    5,
  );
  await takeBack(pod);
  await until('all are delivered', () => pod.told('delivered').length === 10);
  assert.ok(pod.outcomes.every(({ attempts }) => attempts === 1));
});

test('held mail does not expire, and goes when it is released', async (context) => {
  const host = await hostFor(context);
  const pod = podFor(context, host);
  await pod.directives.put([order({ type: 'Hold' }, { domain: 'a.example' })]);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 1);
  const nowMs = monotonicWallClock.nowMs();
  await pod.send(['held@a.example'], { expireAtMs: nowMs + 200 });
  await pod.send(['late@b.example'], { notBeforeMs: nowMs + 60_000, expireAtMs: nowMs + 400 });
  await until('the other one expires', () => pod.told('expired').includes('late@b.example'));
  assert.deepEqual(pod.told('expired'), ['late@b.example']);
  await takeBack(pod);
  await until('it is delivered', () => pod.told('delivered').includes('held@a.example'));
});

function noAnswer(domain: string): NoRoute {
  const reply = { code: 451, enhanced: '4.4.3', text: 'no answer', host: '' };
  return { kind: 'transient', cause: 'DnsFailure', domain, reply };
}

/** A router that forgets, or cannot look up, while it is told so. */
function forgetful(fails: () => boolean): (router: Router) => Router {
  return (router) => ({
    peek: (domain) => (fails() ? undefined : router.peek(domain)),
    resolve: (domain) => (fails() ? Promise.resolve(noAnswer(domain)) : router.resolve(domain)),
    targets: (route, family) => router.targets(route, family),
    addresses: (name) => router.addresses(name),
    close: () => router.close(),
  });
}

test('mail that is held by its site does not expire when its route has left memory and DNS is down', async (context) => {
  const host = await hostFor(context);
  let down = false;
  const pod = podFor(context, host, { routing: forgetful(() => down) });
  await pod.directives.put([order({ type: 'Hold' }, { site: siteOf(host), tenant: 'shop' })]);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 1);
  const nowMs = monotonicWallClock.nowMs();
  await pod.send(['held@a.example'], { tenant: 'shop', expireAtMs: nowMs + 1_000 });
  await until('it is held', () => pod.dispatcher.gauges().sleeping === 1);
  down = true;
  await pod.send(['late@a.example'], { notBeforeMs: nowMs + 60_000, expireAtMs: nowMs + 1_500 });
  await until('mail that no directive may hold expires', () => pod.told('expired').length > 0);
  assert.deepEqual(pod.told('expired'), ['late@a.example']);
  down = false;
  await takeBack(pod);
  await until('it is delivered', () => pod.told('delivered').length === 1);
});

test('a host is resumed while a connection to it is being prepared: the mail leaves', async (context) => {
  const host = await hostFor(context);
  let asked = false;
  let answer: (() => void) | undefined;
  const slow = (router: Router): Router => ({
    ...forgetful(() => false)(router),
    async *targets(route, family) {
      asked = true;
      await new Promise<void>((resolve) => {
        answer = resolve;
      });
      yield* router.targets(route, family);
    },
  });
  const pod = podFor(context, host, { config: configOf([{ address: '127.0.8.1' }]), routing: slow });
  await pod.directives.put([order({ type: 'Suspend' }, { mxHost: '127.0.0.1' })]);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 1);
  await pod.send(['u@a.example']);
  await until('its addresses are looked up', () => asked);
  await takeBack(pod);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 0);
  answer?.();
  await until(
    'it is delivered',
    () => {
      answer?.();
      return pod.told('delivered').length === 1;
    },
    3_000,
  );
});

test('mail that is ordered back is bounced, due or not, and so is what comes; the reply says who did it and why', async (context) => {
  const host = await hostFor(context, {
    rcpt: (recipient) => (recipient.startsWith('u') ? '450 4.2.0 later' : '250 ok'),
  });
  const pod = podFor(context, host);
  await sendAll(pod, numbered(3, 'a.example'), 'shop');
  await until('they wait for another attempt', () => pod.told('deferred').length === 3);
  await pod.directives.put([order({ type: 'Bounce' }, { tenant: 'shop' }, 'wrong link')]);
  await until('what waits is bounced', () => pod.told('bounced').length === 3);
  await pod.send(['v@b.example'], { tenant: 'shop' });
  await pod.send(['w@b.example'], { tenant: 'news' });
  await until('what comes is bounced', () => pod.told('bounced').length === 4);
  await until('others are delivered', () => pod.told('delivered').length === 1);
  const { reply } = pod.outcomes.findLast(({ kind }) => kind === 'bounced') ?? {};
  assert.equal(reply?.code, 550);
  assert.equal(reply?.enhanced, '5.7.1');
  assert.match(reply?.text ?? '', /by the operator: wrong link/);
  assert.equal(pod.dispatcher.view(10).entries, 0);
});

test('new mail for a domain that DNS does not know is bounced or held as well, and charged with no attempt', async (context) => {
  const host = await hostFor(context);
  const pod = podFor(context, host, { routing: forgetful(() => true) });
  await pod.send(['first@dead.example']);
  await until('the domain is known to be dead', () => pod.told('deferred').length === 1);
  await pod.directives.put([
    order({ type: 'Bounce' }, { domain: 'dead.example', tenant: 'shop' }),
    order({ type: 'Hold' }, { domain: 'dead.example', tenant: 'news' }),
  ]);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 2);
  await sendAll(pod, ['a@dead.example', 'b@dead.example'], 'shop');
  await sendAll(pod, ['c@dead.example'], 'news');
  await until('they are bounced', () => pod.told('bounced').length === 2, 3_000);
  await sendAll(pod, ['d@dead.example'], 'shop');
  await until('it is bounced', () => pod.told('bounced').length === 3, 3_000);
  const { sleeping, scheduled } = pod.dispatcher.gauges();
  assert.deepEqual({ sleeping, scheduled }, { sleeping: 1, scheduled: 1 });
  assert.deepEqual(pod.told('deferred'), ['first@dead.example']);
});

test('an override holds: one connection where the policy allows five, and again five afterwards', async (context) => {
  const host = await hostFor(context, { finalDotMs: 10 });
  const limits = [{ name: 'site', per: ['Site'], connections: 5 }];
  const pod = podFor(context, host, { config: configOf(TWO_SOURCES, { limits }) });
  await pod.directives.put([
    order({ type: 'SetLimit', limitName: 'site', bounds: { connections: 1 } }, { site: siteOf(host) }),
  ]);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 1);
  await sendAll(pod, numbered(30, 'a.example'));
  await until('all are delivered', () => pod.told('delivered').length === 30);
  assert.equal(host.peak, 1);
  await takeBack(pod);
  await until('it is obeyed', () => pod.dispatcher.directives.length === 0);
  await sendAll(pod, numbered(200, 'a.example'));
  await until('all are delivered', () => pod.told('delivered').length === 230);
  assert.equal(host.peak, 5);
});

test('three refusals suspend this source at this site, as the policy says, and the rest leaves through the other', async (context) => {
  const host = await hostFor(context, {
    mail: (source) => (source === '127.0.8.1' ? '451 4.7.0 [TSS04] too much mail' : '250 ok'),
  });
  const reactions = [
    {
      name: 'tss04',
      match: { codes: [451], text: '\\[TSS04\\]' },
      trigger: { count: 3, within: '1h', per: ['Source', 'Site'] },
      actions: [{ type: 'Suspend', suspend: { per: ['Source', 'Site'], for: '2h' } }],
    },
  ];
  const limits = [{ name: 'source-site', per: ['Source', 'Site'], connections: 1 }];
  const pod = podFor(context, host, {
    config: configOf(TWO_SOURCES, { reactions, limits, retry: { delays: ['1s'] } }),
  });
  await sendAll(pod, numbered(60, 'a.example'));
  await until('the source is suspended', () => pod.directives.set.directives.length === 1);
  const [directive] = pod.directives.set.directives;
  assert.deepEqual(directive?.selector, { source: '127.0.8.1', site: siteOf(host) });
  assert.match(directive?.reason ?? '', /reaction tss04: 451 4\.7\.0 \[TSS04\] too much mail/);
  await until('all are delivered', () => pod.told('delivered').length === 60);
  assert.ok(pod.told('deferred').length >= 3);
  assert.ok(pod.reactions.filter(({ wentOff }) => wentOff).length === 1);
  assert.equal(pod.reactions[0]?.envelope?.sender, 'bounces@esp.example');
});

test('a reaction sets the time of the next attempt, or returns a message that the policy does not want tried again', async (context) => {
  const host = await hostFor(context, {
    rcpt: (recipient) => (recipient.startsWith('full') ? '452 4.2.2 mailbox full' : '450 4.7.1 spam'),
  });
  const reactions = [
    {
      name: 'full',
      match: { enhancedCodes: ['4.2.2'] },
      actions: [{ type: 'RetryAfter', retryAfter: { delay: '3h' } }],
    },
    { name: 'spam', match: { text: 'spam', phases: ['Rcpt'] }, actions: [{ type: 'Bounce' }] },
  ];
  const pod = podFor(context, host, {
    config: configOf(TWO_SOURCES, { reactions, retry: { delays: ['5m'] } }),
  });
  await pod.send(['full@a.example', 'spam@a.example']);
  await until('both are told', () => pod.outcomes.length === 2);
  assert.deepEqual(pod.told('bounced'), ['spam@a.example']);
  const deferred = pod.outcomes.find(({ kind }) => kind === 'deferred');
  const delayMs = (deferred?.nextAttemptAtMs ?? 0) - (deferred?.nowMs ?? 0);
  assert.ok(delayMs > 2.9 * 3_600_000 && delayMs < 3.1 * 3_600_000, `${delayMs} ms`);
});

test("a tenant's limit on one source leaves its mail to the other one: no capacity is wasted", async (context) => {
  const host = await hostFor(context);
  const limits = [{ name: 'source-tenant', per: ['Source', 'Tenant'], messageRate: '10/h' }];
  const pod = podFor(context, host, { config: configOf(TWO_SOURCES, { limits }) });
  await sendAll(pod, numbered(4, 'a.example'), 'shop');
  await until('one from each source', () => pod.told('delivered').length === 2);
  assert.deepEqual(new Set(host.taken.map(({ source }) => source)), new Set(['127.0.8.1', '127.0.8.2']));
  await sendAll(pod, numbered(2, 'a.example'), 'news');
  await until('another tenant has counters of its own', () => pod.told('delivered').length === 4);
  assert.equal(pod.dispatcher.chosenBy([{ tenant: 'shop' }]).groups, 2);
});
