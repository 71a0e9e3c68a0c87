import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { configOf, type PodSetup, TestPod, until } from './dispatcher.fixture.ts';
import { type HostAnswers, MailHost } from './mail-host.fixture.ts';
import { MemorySpool } from './memory-spool.fixture.ts';

const ONE_SOURCE = [{ address: '127.0.8.1' }];
const TWO_SOURCES = [{ address: '127.0.8.1' }, { address: '127.0.8.2' }];

async function hostFor(context: TestContext, answers: HostAnswers = {}): Promise<MailHost> {
  const host = await new MailHost(answers).listen();
  context.after(() => host.close());
  return host;
}

function podFor(context: TestContext, setup: PodSetup): TestPod {
  const pod = new TestPod(setup);
  context.after(async () => {
    await pod.dispatcher.drain(0);
    assert.deepEqual(pod.faults, [], 'no exception where none may be');
  });
  return pod;
}

const routeTo = (domain: string, ...hosts: readonly MailHost[]) => ({
  domain,
  hosts: hosts.map(({ port }, preference) => ({ host: '127.0.0.1', port, preference })),
});
const numbered = (count: number, domain: string): string[] =>
  Array.from({ length: count }, (_, index) => `u${index}@${domain}`);

test('two domains of one site share a session: a small host is not dialled once per domain', async (context) => {
  const host = await hostFor(context);
  const pod = podFor(context, {
    config: configOf(ONE_SOURCE, { limits: [{ name: 'site', per: ['Site'], connections: 1 }] }),
    routes: [routeTo('a.example', host), routeTo('b.example', host)],
  });
  for (const domain of ['a.example', 'b.example', 'a.example', 'b.example']) await pod.send([`x@${domain}`]);
  await until('all four are delivered', () => pod.told('delivered').length === 4);
  assert.equal(host.connections, 1);
});

test('a message to 250 recipients leaves in three transactions of at most 100, each recipient once', async (context) => {
  const host = await hostFor(context);
  const pod = podFor(context, {
    config: configOf(ONE_SOURCE, { session: { recipientsPerTransaction: 100 } }),
    routes: [routeTo('a.example', host)],
  });
  const recipients = numbered(250, 'a.example');
  await pod.send(recipients);
  await until('all are delivered', () => pod.told('delivered').length === 250);
  assert.deepEqual(
    host.taken.map((taken) => taken.recipients.length),
    [100, 100, 50],
  );
  assert.deepEqual([...host.recipients].sort(), [...recipients].sort());
  await until('the store may forget it', () => pod.spool.usage().messages === 0);
});

test('250, 450 and 550 in one transaction: one delivered, one bounced, one tried again, none twice', async (context) => {
  let first = true;
  const host = await hostFor(context, {
    rcpt: (recipient) => {
      if (recipient.startsWith('gone')) return '550 5.1.1 no such user';
      if (!recipient.startsWith('later') || !first) return '250 ok';
      first = false;
      return '450 4.2.0 later';
    },
  });
  const pod = podFor(context, {
    config: configOf(ONE_SOURCE, { retry: { delays: ['1s'] } }),
    routes: [routeTo('a.example', host)],
  });
  await pod.send(['ok@a.example', 'later@a.example', 'gone@a.example']);
  await until('two are delivered', () => pod.told('delivered').length === 2);
  assert.deepEqual(pod.told('bounced'), ['gone@a.example']);
  assert.deepEqual(pod.told('deferred'), ['later@a.example']);
  assert.deepEqual(host.recipients, ['ok@a.example', 'later@a.example']);
});

test('a large group that was deferred as a whole is tried as a whole again, not only its last transaction', async (context) => {
  let refuse = 5;
  const host = await hostFor(context, { rcpt: () => (refuse-- > 0 ? '450 4.2.0 later' : '250 ok') });
  const pod = podFor(context, {
    config: configOf(ONE_SOURCE, {
      session: { recipientsPerTransaction: 2 },
      retry: { delays: ['1s', '1h'] },
    }),
    routes: [routeTo('a.example', host)],
  });
  await pod.send(numbered(5, 'a.example'));
  await until('all are deferred', () => pod.told('deferred').length === 5);
  await until('the second attempt delivers all', () => pod.told('delivered').length === 5);
  assert.equal(host.recipients.length, 5);
});

test('a greylisted message comes back from the same address, or it would be greylisted for ever', async (context) => {
  const seen = new Set<string>();
  const host = await hostFor(context, {
    rcpt: (recipient, source) => {
      const triplet = `${recipient} ${source}`;
      if (seen.has(triplet)) return '250 ok';
      seen.add(triplet);
      return '450 4.2.0 greylisted';
    },
  });
  const pod = podFor(context, {
    config: configOf(TWO_SOURCES, { retry: { delays: ['1s', '1h'] } }),
    routes: [routeTo('a.example', host)],
  });
  for (const recipient of numbered(6, 'a.example')) await pod.send([recipient]);
  await until('all are delivered at the second attempt', () => pod.told('delivered').length === 6, 5_000);
  assert.ok(seen.size === 6, 'no recipient was shown to a second source');
});

test('the first MX host is down: the second one takes the mail in the same attempt', async (context) => {
  const down = await new MailHost().listen();
  await down.close();
  const host = await hostFor(context);
  const pod = podFor(context, { config: configOf(ONE_SOURCE), routes: [routeTo('a.example', down, host)] });
  await pod.send(['x@a.example']);
  await until('it is delivered', () => pod.told('delivered').length === 1);
  assert.deepEqual(pod.told('deferred'), []);
});

test("mail that falls to a backup host at another provider keeps that provider's limits", async (context) => {
  const down = await new MailHost().listen();
  await down.close();
  const backup = await new MailHost({ finalDotMs: 20 }).listen('127.0.8.9');
  context.after(() => backup.close());
  const group = {
    name: 'backup-provider',
    match: { mxSuffixes: ['127.0.8.9'] },
    limits: [{ name: 'source-group', per: ['Source', 'Group'], connections: 1, messageRate: '20/s' }],
  };
  const pod = podFor(context, {
    config: configOf(ONE_SOURCE, {}, [group]),
    routes: [
      {
        domain: 'a.example',
        hosts: [
          { host: '127.0.0.1', port: down.port, preference: 10 },
          { host: '127.0.8.9', port: backup.port, preference: 20 },
        ],
      },
    ],
  });
  const beganMs = performance.now();
  for (const recipient of numbered(24, 'a.example')) await pod.send([recipient]);
  await until('all are delivered', () => pod.told('delivered').length === 24);
  assert.equal(backup.peak, 1, 'the site alone would have opened several');
  // Three at once (a burst of 100 ms and one), the other 21 at 20/s; timers are a little early at most.
  assert.ok(performance.now() - beganMs > 1_000, 'the rate of the Group of the host was kept');
});

test('a session that was busy when another lane asked for its slot gives it up as soon as it idles, not after the idle time-out', async (context) => {
  const slow = await hostFor(context, { finalDotMs: 200 });
  const other = await hostFor(context);
  const pod = podFor(context, {
    config: configOf(ONE_SOURCE, { limits: [{ name: 'source', per: ['Source'], connections: 1 }] }),
    routes: [routeTo('a.example', slow), routeTo('b.example', other)],
  });
  await pod.send(['x@a.example']);
  await until('it is being sent', () => slow.mails === 1);
  await pod.send(['y@b.example']);
  await until('the other lane has its turn', () => pod.told('delivered').length === 2, 3_000);
});

test('all of a site is down: one message is charged with the attempt, the other 29 keep theirs', async (context) => {
  const down = await new MailHost().listen();
  await down.close();
  const pod = podFor(context, { config: configOf(ONE_SOURCE), routes: [routeTo('a.example', down)] });
  for (const recipient of numbered(30, 'a.example')) await pod.send([recipient]);
  await until('the probe failed', () => pod.told('deferred').length > 0);
  await until('the site pauses', () => pod.dispatcher.view(1).lanes[0]?.pausedUntil !== undefined);
  assert.equal(pod.told('deferred').length, 1);
  assert.equal(pod.dispatcher.view(1).lanes[0]?.ready, 29);
});

test('hosts greet and answer every MAIL with 421: the lane backs off instead of burning the attempts of all', async (context) => {
  const host = await hostFor(context, { mail: () => '421 4.7.0 try again later' });
  const pod = podFor(context, {
    config: configOf(ONE_SOURCE, { limits: [{ name: 'site', per: ['Site'], connections: 1 }] }),
    routes: [routeTo('a.example', host)],
  });
  for (const recipient of numbered(30, 'a.example')) await pod.send([recipient]);
  await until('the site pauses', () => pod.dispatcher.view(1).lanes[0]?.pausedUntil !== undefined);
  assert.equal(host.mails, 1);
  assert.equal(pod.told('deferred').length, 1);
});

test('one of two addresses is on a blocklist: the other one delivers everything, no attempt is burnt', async (context) => {
  const host = await hostFor(context, {
    greeting: (source) => (source === '127.0.8.1' ? '554 5.7.1 blocked' : '220 mx.example'),
  });
  const pod = podFor(context, { config: configOf(TWO_SOURCES), routes: [routeTo('a.example', host)] });
  for (const recipient of numbered(100, 'a.example')) await pod.send([recipient]);
  await until('all are delivered', () => pod.told('delivered').length === 100);
  assert.deepEqual(pod.told('bounced'), []);
  assert.deepEqual(pod.told('deferred'), []);
});

test('a source of another address family leaves the mail to one that can reach the host: no attempt is charged', async (context) => {
  const host = await hostFor(context);
  const pod = podFor(context, {
    config: configOf([{ address: '::1' }, { address: '127.0.8.1' }]),
    routes: [routeTo('a.example', host)],
  });
  for (const recipient of numbered(50, 'a.example')) await pod.send([recipient]);
  await until('all are delivered', () => pod.told('delivered').length === 50);
  assert.deepEqual(pod.told('deferred'), []);
});

test('no source reaches the family of the host: one message is charged, the others wait', async (context) => {
  const host = await hostFor(context);
  const pod = podFor(context, {
    config: configOf([{ address: '::1' }]),
    routes: [routeTo('a.example', host)],
  });
  for (const recipient of numbered(3, 'a.example')) await pod.send([recipient]);
  await until('the head is charged', () => pod.told('deferred').length === 1);
  assert.equal(pod.dispatcher.view(1).lanes[0]?.ready, 2);
});

test('mail that sleeps on a limit expires on time all the same, and is reported', async (context) => {
  const host = await hostFor(context);
  const pod = podFor(context, {
    config: configOf(ONE_SOURCE, { limits: [{ name: 'crawl', per: ['Domain'], recipientRate: '1/h' }] }),
    routes: [routeTo('a.example', host)],
  });
  await pod.send(['first@a.example']);
  await until('the token is spent', () => pod.told('delivered').length === 1);
  await pod.send(['late@a.example'], { expireAtMs: Date.now() + 500 });
  await until('it expires', () => pod.told('expired').length === 1);
  assert.deepEqual(pod.told('expired'), ['late@a.example']);
  await until('nothing is left', () => pod.dispatcher.view(1).entries === 0);
});

test('the store cannot be read for a while: nothing is lost, sent twice or bounced, and the process lives', async (context) => {
  const host = await hostFor(context);
  const spool = new MemorySpool();
  // Nothing fits in memory: every message is read from the store.
  const pod = podFor(context, {
    config: configOf(ONE_SOURCE),
    routes: [routeTo('a.example', host)],
    spool,
    residentBytes: 0,
  });
  spool.failure = new Error('disk gone');
  for (const recipient of numbered(5, 'a.example')) await pod.send([recipient]);
  await pod.send(['late@a.example'], { expireAtMs: Date.now() + 100 });
  await until('the failure is reported', () => pod.storeErrors.length >= 6);
  spool.failure = undefined;
  await until('all are delivered', () => pod.told('delivered').length === 5);
  await until('the expired one is reported', () => pod.told('expired').length === 1);
  assert.equal(host.recipients.length, 5);
});

test('after a restart only those recipients are tried that were not delivered before', async (context) => {
  const host = await hostFor(context, {
    rcpt: (recipient) => (recipient.startsWith('later') ? '450 4.2.0 later' : '250 ok'),
  });
  const setup = {
    config: configOf(ONE_SOURCE, { retry: { delays: ['1s'] } }),
    routes: [routeTo('a.example', host)],
    spool: new MemorySpool(),
  };
  const before = podFor(context, setup);
  await before.send(['ok@a.example', 'later@a.example']);
  await until('one is delivered', () => before.told('delivered').length === 1);
  await before.dispatcher.drain(1_000);
  host.answers = {};
  const after = podFor(context, setup);
  assert.equal(await after.dispatcher.recover(), 1);
  await until('the other is delivered', () => after.told('delivered').length === 1);
  assert.deepEqual(host.recipients, ['ok@a.example', 'later@a.example']);
});

test('after a restart mail that waits for its next attempt is listed, although nothing of it is due', async (context) => {
  const host = await hostFor(context, { rcpt: () => '450 4.2.0 later' });
  const setup = {
    config: configOf(ONE_SOURCE),
    routes: [routeTo('a.example', host)],
    spool: new MemorySpool(),
  };
  const first = new TestPod(setup);
  await first.send(['x@a.example'], { tenant: 'shop' });
  await until('it is deferred', () => first.told('deferred').length === 1);
  assert.match(first.dispatcher.listing('Lane', {})[0]?.lastReply ?? '', /^450 4.2.0 later/);
  await first.dispatcher.drain(0);
  const second = podFor(context, setup);
  await second.dispatcher.recover();
  assert.equal(second.dispatcher.view(10).lanes[0]?.waiting, 1);
  const [row, ...others] = second.dispatcher.listing('Tenant', {});
  assert.deepEqual(others, []);
  assert.equal(row?.tenant, 'shop');
  assert.equal(row?.waiting, 1);
  assert.ok((row?.nextDueAtMs ?? 0) > Date.now());
});

test('a changed pool takes effect while mail flows: the drained source gets no more, nothing is lost or doubled', async (context) => {
  const host = await hostFor(context, { finalDotMs: 5 });
  const layer = { limits: [{ name: 'slots', per: ['Site'], connections: 2 }] };
  const pod = podFor(context, { config: configOf(TWO_SOURCES, layer), routes: [routeTo('a.example', host)] });
  for (const recipient of numbered(200, 'a.example')) await pod.send([recipient]);
  await until('some are delivered', () => host.recipients.length > 20);
  pod.dispatcher.reconfigure(
    configOf([{ address: '127.0.8.1', state: 'Draining' }, { address: '127.0.8.2' }], layer),
  );
  const connectionsAtChange = host.connections;
  await until('all are delivered', () => pod.told('delivered').length === 200);
  assert.equal(new Set(host.recipients).size, 200);
  assert.equal(host.recipients.length, 200);
  assert.ok(host.peak <= 2, `the limit of two holds over the change, the host saw ${host.peak}`);
  const later = host.taken.filter(({ connection }) => connection > connectionsAtChange);
  assert.ok(later.length > 0 && later.every(({ source }) => source === '127.0.8.2'));
});

test('a disabled source is cut in the middle of a message, which another source carries later', async (context) => {
  const host = await hostFor(context, { finalDotMs: 60_000 });
  const layer = { retry: { delays: ['1s'] } };
  const pod = podFor(context, { config: configOf(ONE_SOURCE, layer), routes: [routeTo('a.example', host)] });
  await pod.send(['x@a.example']);
  await until('it is in transaction', () => host.mails === 1);
  host.answers = {};
  pod.dispatcher.reconfigure(
    configOf([{ address: '127.0.8.1', state: 'Disabled' }, { address: '127.0.8.2' }], layer),
  );
  await until('the other source delivers it', () => pod.told('delivered').length === 1);
  assert.deepEqual(
    host.taken.map(({ source }) => source),
    ['127.0.8.2'],
  );
});

test('a drain ends although a host never greets, and the message keeps its attempts', async (context) => {
  const host = await hostFor(context, { greeting: () => '220-wait' });
  const pod = podFor(context, { config: configOf(ONE_SOURCE), routes: [routeTo('a.example', host)] });
  await pod.send(['x@a.example']);
  await until('the host is dialled', () => host.connections === 1);
  const startMs = performance.now();
  await pod.dispatcher.drain(20_000);
  assert.ok(performance.now() - startMs < 10_000, 'the connection under way was given up');
  assert.deepEqual(pod.spool.outcomes, []);
});

test('a drain lets an open transaction end: its message is not sent again by the next process', async (context) => {
  const host = await hostFor(context, { finalDotMs: 300 });
  const pod = podFor(context, { config: configOf(ONE_SOURCE), routes: [routeTo('a.example', host)] });
  await pod.send(['x@a.example']);
  await until('it is in transaction', () => host.mails === 1);
  await pod.dispatcher.drain(5_000);
  assert.deepEqual(pod.told('delivered'), ['x@a.example']);
  assert.equal(pod.spool.usage().messages, 0);
});

test('a full queue at its limit of connections goes over the connections that there are, not over a new one every 20 messages', async (context) => {
  const host = await hostFor(context);
  const pod = podFor(context, {
    config: configOf(ONE_SOURCE, {
      session: { messagesPerConnection: 1_000 },
      limits: [{ name: 'site', per: ['Site'], connections: 2 }],
    }),
    routes: [routeTo('a.example', host)],
  });
  for (const recipient of numbered(200, 'a.example')) await pod.send([recipient]);
  await until('all are delivered', () => pod.told('delivered').length === 200);
  assert.equal(host.connections, 2);
});
