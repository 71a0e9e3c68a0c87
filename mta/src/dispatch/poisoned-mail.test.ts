import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { configOf, TestPod, until } from './dispatcher.fixture.ts';
import { MailHost } from './mail-host.fixture.ts';
import { MemorySpool } from './memory-spool.fixture.ts';

/** A pod whose store holds a message to recipients of two domains as poison; the message is in the store and not in the queue. */
async function setUp(context: TestContext) {
  const host = await new MailHost({}).listen();
  context.after(() => host.close());
  const spool = new MemorySpool();
  const pod = new TestPod({
    config: configOf([{ address: '127.0.8.1' }]),
    routes: [{ domain: '*', hosts: [{ host: '127.0.0.1', port: host.port, preference: 0 }] }],
    spool,
  });
  context.after(() => pod.dispatcher.drain(0));
  await pod.dispatcher.recover();
  spool.mayBegin = () => 'no';
  await pod.send(['a@a.example', 'b@b.example', 'c@a.example']);
  await until('it is out of the queue', () => pod.dispatcher.queued === 0);
  spool.mayBegin = undefined;
  const [envelope] = spool.envelopes;
  assert.ok(envelope);
  spool.poison(envelope.id);
  return { host, spool, pod, id: envelope.id };
}

test('a message that is held is told of with all that finds it, and sent when somebody says so', async (context) => {
  const { host, spool, pod, id } = await setUp(context);
  const [held, ...others] = pod.dispatcher.poisoned();
  assert.deepEqual(others, []);
  assert.deepEqual([held?.id, held?.recipients, held?.domains], [id, 3, ['a.example', 'b.example']]);
  assert.deepEqual(await pod.dispatcher.retryPoisoned(['another']), []);
  assert.deepEqual(await pod.dispatcher.retryPoisoned([id]), [id]);
  // Durable first: who adopts it next must not hold it again.
  assert.deepEqual(
    spool.outcomes.slice(0, 2).map(({ kind, group }) => [kind, group]),
    [
      ['deferred', 0],
      ['deferred', 1],
    ],
  );
  await until('it is delivered', () => pod.told('delivered').length === 3);
  assert.equal(host.mails, 2);
  assert.deepEqual(pod.dispatcher.poisoned(), []);
  assert.deepEqual(await pod.dispatcher.retryPoisoned([id]), [], 'once');
});

test("what is held of a part that another process takes is that one's to tell of", async (context) => {
  const { spool, pod, id } = await setUp(context);
  await spool.take(0, 'lost');
  assert.deepEqual(pod.dispatcher.poisoned(), []);
  assert.deepEqual(await pod.dispatcher.retryPoisoned(undefined), []);
  assert.deepEqual(spool.outcomes, []);
  assert.notEqual(id, '');
});

test('a store that fails keeps it held: it is not sent on a word that nobody wrote down', async (context) => {
  const { host, spool, pod, id } = await setUp(context);
  spool.failure = new Error('disk');
  await assert.rejects(pod.dispatcher.retryPoisoned(undefined), /disk/);
  assert.equal(pod.dispatcher.poisoned()[0]?.id, id);
  spool.failure = undefined;
  assert.deepEqual(await pod.dispatcher.retryPoisoned(undefined), [id]);
  await until('it is delivered', () => pod.told('delivered').length === 3);
  assert.equal(host.mails, 2);
});
