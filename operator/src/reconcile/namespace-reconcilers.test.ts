import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { newestSet } from '@sluice/crds';
import { NO_FEEDBACK } from '../feedback/mod.ts';
import { FakeApiServer } from '../kube/fake-api-server.fixture.ts';
import { kubeObject } from '../kube/kube-object.ts';
import { REFLECTOR_TIMING } from '../kube/reflector.ts';
import { keptLog, until } from '../kube/until.fixture.ts';
import { NamespaceReconcilers } from './namespace-reconcilers.ts';
import { shardIn } from './shard-config-map.ts';

const pool = (address: string) => ({
  apiVersion: 'sluice.email/v1alpha1',
  kind: 'EgressPool',
  spec: { sources: [{ name: 's', address, ehlo: 'out.example.com' }] },
});
const poolPath = (namespace: string, name: string) =>
  `/apis/sluice.email/v1alpha1/namespaces/${namespace}/egresspools/${name}`;
const configMaps = (namespace: string) => `/api/v1/namespaces/${namespace}/configmaps`;

async function start(t: TestContext, prepare: (server: FakeApiServer) => void = () => {}) {
  const server = await new FakeApiServer().listen();
  prepare(server);
  const client = server.client();
  const { logger } = keptLog();
  const forgotten: string[] = [];
  const all = new NamespaceReconcilers({
    client,
    home: 'sluice-system',
    release: 'sluice',
    identity: 'operator-1',
    library: [],
    isLeader: () => true,
    feedback: NO_FEEDBACK,
    logger,
    observe: () => ({ compiled() {}, published() {}, pods() {}, wrote() {}, failed() {} }),
    forget: (namespace) => void forgotten.push(namespace),
    random: () => 0,
    nowMs: () => performance.now(),
    wallMs: () => Date.UTC(2026, 11, 1),
    timing: { ...REFLECTOR_TIMING, minBackoffMs: 1, maxBackoffMs: 20, healthyMs: 5 },
  });
  all.start();
  all.lead();
  t.after(async () => {
    await all.stop();
    client.close();
    await server.close();
  });
  /** `name=address` of the pools that pods of a namespace run; `undefined` = there is no set. */
  const pools = (namespace: string): readonly string[] | undefined => {
    const shards = server.paths(configMaps(namespace)).flatMap((path) => {
      const object = server.object(path);
      return object === undefined ? [] : (shardIn(kubeObject.parse(object)) ?? []);
    });
    const newest = newestSet(shards);
    return 'set' in newest
      ? newest.set.config.pools.map(({ name, sources }) => `${name}=${sources[0]?.address}`)
      : undefined;
  };
  return { server, all, pools, forgotten };
}

test('each namespace has its own configuration: pools of the same name in two of them never mix', async (t) => {
  const { server, pools } = await start(t, (server) => {
    server.put(poolPath('a', 'main'), pool('192.0.2.1'));
  });
  await until('the first namespace has its set', () => pools('a')?.[0] === 'main=192.0.2.1');
  server.put(poolPath('b', 'main'), pool('192.0.2.2'));
  await until('one that comes later too', () => pools('b')?.[0] === 'main=192.0.2.2');
  assert.deepEqual(pools('a'), ['main=192.0.2.1']);
  assert.equal(server.openWatches, 3, 'however many namespaces there are');
  for (const namespace of ['a', 'b'])
    await until('each says what became of it', () =>
      Object.hasOwn(server.object(poolPath(namespace, 'main')) ?? {}, 'status'),
    );
});

test('pods beside the operator get a set also without any resource; namespaces that are nothing to us are left alone', async (t) => {
  const { server, pools } = await start(t, (server) => {
    server.put(`${configMaps('other')}/unrelated`, { data: { a: 'b' } });
  });
  await until('there is an empty set', () => pools('sluice-system')?.length === 0);
  assert.deepEqual(server.paths(configMaps('other')), [`${configMaps('other')}/unrelated`]);
});

test('a namespace keeps its set when its last pool goes, so that pods know; when the set goes too it is forgotten', async (t) => {
  const { server, all, pools, forgotten } = await start(t, (server) => {
    server.put(poolPath('a', 'main'), pool('192.0.2.1'));
  });
  await until('it has its set', () => pools('a')?.length === 1);
  server.remove(poolPath('a', 'main'));
  await until('pods hear that there is nothing', () => pools('a')?.length === 0);
  // As when the namespace is deleted: nothing may be created in it any more.
  for (const path of server.paths(configMaps('a'))) server.remove(path);
  await until('it is forgotten', () => forgotten.includes('a'));
  assert.deepEqual(all.namespaces, ['sluice-system']);
  assert.equal(pools('a'), undefined);
  server.put(poolPath('a', 'main'), pool('192.0.2.3'));
  await until('and comes again', () => pools('a')?.[0] === 'main=192.0.2.3');
});

test('an operator that loses the lease writes in no namespace', async (t) => {
  const { server, all, pools } = await start(t, (server) => {
    server.put(poolPath('a', 'main'), pool('192.0.2.1'));
  });
  await until('it has its set', () => pools('a')?.length === 1);
  await until('all is done', () => all.queued === 0);
  await all.follow();
  const writes = () => server.requests.filter(({ method }) => method !== 'GET').length;
  const before = writes();
  server.put(poolPath('b', 'main'), pool('192.0.2.2'));
  await until('it is heard', () => all.namespaces.includes('b'));
  assert.equal(writes(), before);
  all.lead();
  await until('and when it leads again it does', () => pools('b')?.length === 1);
});
