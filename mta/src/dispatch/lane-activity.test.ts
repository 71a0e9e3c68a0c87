import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { configOf, TestPod, until } from './dispatcher.fixture.ts';
import { MailHost } from './mail-host.fixture.ts';

async function podFor(context: TestContext, limits: readonly unknown[]): Promise<TestPod> {
  const host = await new MailHost({ finalDotMs: 2_000 }).listen();
  const pod = new TestPod({
    config: configOf(
      [{ address: '127.0.8.1' }, { address: '127.0.8.2' }, { address: '127.0.8.3', state: 'Disabled' }],
      { limits },
    ),
    routes: [{ domain: 'a.example', hosts: [{ host: '127.0.0.1', port: host.port, preference: 0 }] }],
  });
  context.after(async () => {
    await pod.dispatcher.drain(0);
    await host.close();
    assert.deepEqual(pod.faults, []);
  });
  await pod.send(['u@a.example']);
  await until('it is in a transaction', () => pod.dispatcher.gauges().inFlight === 1);
  return pod;
}

const boundIn = (pod: TestPod): number | undefined => pod.dispatcher.activity(new Set())[0]?.connectionBound;

test('what a lane may open is the smallest limit of each usable source, added up', async (context) => {
  const pod = await podFor(context, [
    { name: 'site', per: ['Source', 'Site'], connections: 5 },
    { name: 'source', per: ['Source'], connections: 3 },
  ]);
  assert.equal(boundIn(pod), 6);
});

test('a limit that all sources share counts once', async (context) => {
  const pod = await podFor(context, [
    { name: 'source-site', per: ['Source', 'Site'], connections: 5 },
    { name: 'site', per: ['Site'], connections: 7 },
  ]);
  assert.equal(boundIn(pod), 7);
});

test('without a limit of connections no bound is made up', async (context) => {
  const pod = await podFor(context, [{ name: 'site', per: ['Site'], recipientRate: '10/s' }]);
  assert.equal(boundIn(pod), undefined);
  const [lane] = pod.dispatcher.activity(new Set());
  assert.deepEqual([lane?.inFlight, lane?.connections], [1, 1]);
});
