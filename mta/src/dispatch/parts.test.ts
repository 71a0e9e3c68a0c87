import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { configOf, TestPod, until } from './dispatcher.fixture.ts';
import { type HostAnswers, MailHost } from './mail-host.fixture.ts';
import { MemorySpool } from './memory-spool.fixture.ts';

async function setUp(context: TestContext, answers: HostAnswers = {}) {
  const host = await new MailHost(answers).listen();
  context.after(() => host.close());
  const spool = new MemorySpool();
  const pod = new TestPod({
    config: configOf([{ address: '127.0.8.1' }], {
      limits: [{ name: 'site', per: ['Site'], connections: 1 }],
    }),
    routes: [{ domain: '*', hosts: [{ host: '127.0.0.1', port: host.port, preference: 0 }] }],
    spool,
  });
  context.after(async () => {
    await pod.dispatcher.drain(0);
    assert.deepEqual(pod.faults, []);
  });
  await pod.dispatcher.recover();
  const send = async (part: number, name: string) => {
    spool.part = part;
    await pod.send([`${name}@a.example`]);
  };
  return { host, spool, pod, send };
}

test('queued mail of a part that another process has is not sent here, other mail is', async (context) => {
  const { host, spool, pod, send } = await setUp(context, { finalDotMs: 100 });
  await send(0, 'first');
  await until('it is being sent', () => host.mails === 1);
  for (let index = 0; index < 5; index++) await send(1, `theirs${index}`);
  for (let index = 0; index < 3; index++) await send(0, `ours${index}`);
  await spool.take(1, 'lost');
  await until('ours are delivered', () => pod.told('delivered').length === 4);
  assert.equal(pod.dispatcher.view(5).entries, 0);
  assert.ok(host.recipients.every((recipient) => !recipient.startsWith('theirs')));
  await spool.giveBack(1);
  await until('they come back', () => pod.told('delivered').length === 9);
});

test('a part is lost in the middle of a transaction: it is cut, nothing of it is recorded, and it is sent when it comes back', async (context) => {
  const { host, spool, pod, send } = await setUp(context, { finalDotMs: 60_000 });
  await send(1, 'cut');
  await until('it is being sent', () => host.mails === 1);
  await spool.take(1, 'lost');
  await until('the connection is cut', () => host.open === 0);
  await until('its entry is gone', () => pod.dispatcher.view(5).entries === 0);
  assert.deepEqual(spool.outcomes, []);
  assert.deepEqual(pod.outcomes, []);
  host.answers = {};
  await spool.giveBack(1);
  await until('it is delivered', () => pod.told('delivered').length === 1);
});

test('a part that is given up: the open transaction ends and is recorded, what waits is left to others', async (context) => {
  const { host, spool, pod, send } = await setUp(context, { finalDotMs: 200 });
  await send(1, 'open');
  await until('it is being sent', () => host.mails === 1);
  await send(1, 'waits');
  await spool.take(1, 'released');
  await until('the open one is recorded', () => spool.outcomes.length === 1);
  assert.deepEqual(host.recipients, ['open@a.example']);
  assert.deepEqual(pod.told('delivered'), ['open@a.example']);
  assert.equal(pod.dispatcher.view(5).entries, 0);
});

test('a transaction that fails after its part was given up makes no next attempt here', async (context) => {
  const { spool, pod, send } = await setUp(context, { mail: () => '450 4.2.0 later', finalDotMs: 0 });
  let part = 0;
  spool.mayBegin = () => {
    // Between the question and the answer of the host.
    queueMicrotask(() => void spool.take(part, 'released'));
    return 'go';
  };
  part = 1;
  await send(1, 'later');
  await until('its deferral is recorded', () => spool.outcomes.length === 1);
  assert.equal(spool.outcomes[0]?.kind, 'deferred');
  assert.equal(pod.dispatcher.view(5).entries, 0);
});

test('what the store says must not begin leaves the queue, without an attempt and without a word to the host', async (context) => {
  const { host, spool, pod, send } = await setUp(context);
  spool.mayBegin = () => Promise.resolve('no');
  await send(0, 'held');
  await until('it leaves the queue', () => pod.dispatcher.view(5).entries === 0);
  assert.equal(host.mails, 0);
  assert.deepEqual(spool.outcomes, []);
  spool.mayBegin = undefined;
  await spool.giveBack(0);
  await until('it is delivered when it comes back', () => pod.told('delivered').length === 1);
});

test('a stop gives its mail to others first, and records what it was sending', async (context) => {
  const { host, spool, pod, send } = await setUp(context, { finalDotMs: 300 });
  await send(0, 'open');
  await until('it is being sent', () => host.mails === 1);
  for (let index = 0; index < 5; index++) await send(0, `waits${index}`);
  const drained = pod.dispatcher.drain(5_000);
  await until('it is given up at once', () => spool.released, 100);
  assert.deepEqual(spool.outcomes, []);
  await drained;
  assert.deepEqual(
    spool.outcomes.map(({ kind }) => kind),
    ['done'],
  );
  assert.deepEqual(host.recipients, ['open@a.example']);
});
