import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { SluiceError } from '@sluice/crds';
import { type Directive, type DirectiveStore, openSharedDirectives } from '@sluice/mta/react';
import { PROVIDERS } from '@sluice/mta/sink';
import { jetStreamSpool, POD_USER } from '../harness/jetstream-spec.ts';
import { type NatsServer, skipWithoutNats, startNats, startNatsCluster } from '../harness/nats-server.ts';
import { GROUP_DOMAIN, sluiceCommand, startGroup } from '../harness/pod-group.ts';
import { onePool } from '../harness/resources.ts';
import { startSluice } from '../harness/sluice-process.ts';
import { until } from '../harness/until.ts';

const skip = await skipWithoutNats('directives that all pods obey');

/** What DESIGN §6 calls well under a second. */
const OBEYED_WITHIN_MS = 1_000;

interface Opened {
  readonly store: DirectiveStore;
  readonly inForce: string[];
  readonly errors: string[];
}

function suspension(source: string, changes: Partial<Directive> = {}): Directive {
  return {
    id: `operator suspend source=${source}`,
    effect: { type: 'Suspend' },
    selector: { source },
    origin: 'Operator',
    reason: 'test',
    createdAtMs: Date.now(),
    expiresAtMs: 0,
    ...changes,
  };
}

/** A server whose user may do what the documentation grants, and a way to open stores there. */
async function startStores(context: TestContext): Promise<{
  readonly nats: NatsServer;
  readonly open: (nowMs?: () => number) => Promise<Opened>;
}> {
  const nats = await startNats({ users: [POD_USER] });
  const opened: DirectiveStore[] = [];
  context.after(async () => {
    await Promise.all(opened.map((store) => store.close()));
    await nats.close();
  });
  const { identity } = POD_USER;
  assert.ok('user' in identity);
  return {
    nats,
    async open(nowMs = Date.now) {
      const [inForce, errors]: [string[], string[]] = [[], []];
      const store = await openSharedDirectives({
        nats: {
          servers: [nats.url],
          credentials: { kind: 'password', ...identity },
          inboxPrefix: 'sluice.inbox',
          name: 'test',
        },
        bucket: 'sluice-directives',
        replicas: 1,
        createBucket: true,
        nowMs,
        onInForce: (directives) => inForce.push(...directives.map(({ id }) => id)),
        onError: (what) => errors.push(what),
      });
      opened.push(store);
      return { store, inForce, errors };
    },
  };
}

const sources = ({ store }: Opened): readonly (string | undefined)[] =>
  store.set.directives.map(({ selector }) => selector.source);

test('what one pod orders every pod obeys within a second, one that comes later from its first look on; what ends ends everywhere', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const { open } = await startStores(context);
  const [one, two] = [await open(), await open()];
  const orderedAtMs = performance.now();
  await one.store.put([suspension('ip-1'), suspension('ip-2')]);
  assert.deepEqual(sources(one), ['ip-1', 'ip-2'], 'in force here when it is acknowledged');
  await until(
    'the other obeys',
    () => sources(two).length,
    (count) => count === 2,
    OBEYED_WITHIN_MS,
  );
  context.diagnostic(`obeyed after ${Math.round(performance.now() - orderedAtMs)} ms`);
  const late = await open();
  assert.deepEqual(sources(late), ['ip-1', 'ip-2']);
  assert.equal(await two.store.remove(['operator suspend source=ip-1', 'nobody']), 1);
  for (const each of [one, two, late])
    await until(
      'it ended',
      () => sources(each),
      (known) => known.join() === 'ip-2',
      OBEYED_WITHIN_MS,
    );
  assert.deepEqual(two.inForce, ['operator suspend source=ip-1', 'operator suspend source=ip-2']);
  assert.deepEqual(
    [one, two, late].flatMap(({ errors }) => errors),
    [],
  );
});

test('a pod whose clock is an hour off ends a directive when all others do', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const { open } = await startStores(context);
  const [right, wrong] = [await open(), await open(() => Date.now() + 3_600_000)];
  const endsAtMs = Date.now() + 1_500;
  await right.store.put([suspension('ip-1', { expiresAtMs: endsAtMs })]);
  await until(
    'it is obeyed',
    () => sources(wrong).length,
    (count) => count === 1,
    OBEYED_WITHIN_MS,
  );
  await until(
    'it ended here',
    () => sources(right).length,
    (count) => count === 0,
    5_000,
  );
  assert.ok(Date.now() >= endsAtMs);
  await until(
    'it ended there',
    () => sources(wrong).length,
    (count) => count === 0,
    OBEYED_WITHIN_MS,
  );
});

test('while NATS is gone pods obey what they know, an order by hand fails in words, and what a reaction made is stored when NATS is back', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const { nats, open } = await startStores(context);
  const [one, two] = [await open(), await open()];
  await one.store.put([suspension('ip-1')]);
  await until(
    'both know',
    () => sources(two).length,
    (count) => count === 1,
    OBEYED_WITHIN_MS,
  );
  await nats.kill('SIGKILL');
  await until(
    'it is noticed',
    () => one.store.trouble,
    (trouble) => trouble !== undefined,
    10_000,
  );
  assert.deepEqual(sources(one), ['ip-1']);
  await assert.rejects(one.store.put([suspension('ip-2')]), (error) => {
    assert.ok(error instanceof SluiceError);
    assert.match(error.message, /NATS is gone/);
    assert.match(error.cure, /Nothing was changed/);
    return true;
  });
  one.store.react([suspension('ip-3', { origin: 'Reaction', id: 'reaction suspend source=ip-3' })]);
  assert.deepEqual(sources(one), ['ip-1', 'ip-3']);
  await nats.start();
  await until(
    'the other obeys',
    () => sources(two).join(),
    (known) => known === 'ip-1,ip-3',
    10_000,
  );
  await until(
    'all is well',
    () => [one, two].map(({ store }) => store.trouble),
    (troubles) => troubles.every((trouble) => trouble === undefined),
    10_000,
  );
  assert.deepEqual(sources(one), ['ip-1', 'ip-3'], 'what failed did not come later');
  const late = await open();
  assert.deepEqual(sources(late), ['ip-1', 'ip-3']);
});

test('two pods that cut a limit at the same moment cut it once; a directive that is too large is refused', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const { open } = await startStores(context);
  const [one, two] = [await open(), await open()];
  const cut = (percent: number): Directive => ({
    ...suspension('ip-1'),
    id: 'reaction scale:a.recipientRate source=ip-1',
    origin: 'Reaction',
    effect: {
      type: 'Scale',
      limitName: 'a',
      bound: 'recipientRate',
      percent,
      recoverPercent: 120,
      recoverEveryMs: 1_000_000,
    },
    expiresAtMs: Date.now() + 10_000_000,
  });
  one.store.react([cut(50)]);
  two.store.react([cut(40)]);
  const percents = (): readonly unknown[] =>
    [one, two].map(({ store }) =>
      store.set.directives.map(({ effect }) => 'percent' in effect && effect.percent),
    );
  await until(
    'both agree',
    percents,
    (found) => ['[[50],[50]]', '[[40],[40]]'].includes(JSON.stringify(found)),
    5_000,
  );
  const large = suspension('ip-2', { selector: { source: 'ip-2', site: 'ü'.repeat(9_000) } });
  await assert.rejects(one.store.put([large]), /is the most/);
});

test('a watch that the server lost without a word is found out and begun anew within seconds', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const nats = await startNats();
  const store = await openSharedDirectives({
    nats: { servers: [nats.url], credentials: { kind: 'none' }, inboxPrefix: 'sluice.inbox', name: 'test' },
    bucket: 'sluice-directives',
    replicas: 1,
    createBucket: true,
    nowMs: Date.now,
    onInForce: () => {},
    onError: () => {},
  });
  const administrator = await connect({ servers: nats.url });
  context.after(async () => {
    await administrator.close();
    await store.close();
    await nats.close();
  });
  const manager = await jetstreamManager(administrator);
  for await (const { name } of manager.consumers.list('KV_sluice-directives'))
    await manager.consumers.delete('KV_sluice-directives', name);
  const directive = suspension('ip-1', { id: 'operator suspend source=ip-1' });
  await jetstream(administrator).publish('$KV.sluice-directives.key', JSON.stringify(directive));
  await until(
    'it is obeyed',
    () => store.set.directives.length,
    (count) => count === 1,
    10_000,
  );
  assert.equal(store.trouble, undefined);
});

test('one server of three is lost with the watches that it served: orders are obeyed all the same, soon again within a second', {
  skip,
  timeout: 90_000,
}, async (context) => {
  const nodes = await startNatsCluster();
  const stores: DirectiveStore[] = [];
  context.after(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await Promise.all(nodes.map((node) => node.close()));
  });
  // Each is a pod at another server; the watch of a pod may be served by a server that it is not connected to.
  for (const node of nodes) {
    stores.push(
      await openSharedDirectives({
        nats: {
          servers: [node.url],
          credentials: { kind: 'none' },
          inboxPrefix: 'sluice.inbox',
          name: 'test',
        },
        bucket: 'sluice-directives',
        replicas: 3,
        createBucket: true,
        nowMs: Date.now,
        onInForce: () => {},
        onError: () => {},
      }),
    );
  }
  const [first, second, third] = stores;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const known = (): readonly number[] => [first, second].map(({ set }) => set.directives.length);
  await third.put([suspension('ip-0')]);
  await until('all obey', known, (counts) => counts.join() === '1,1', 5_000);
  await nodes[2]?.kill('SIGKILL');
  const orderUntilStored = async (source: string): Promise<void> => {
    await until(
      'the cluster takes an order',
      () =>
        first.put([suspension(source)]).then(
          () => true,
          () => false,
        ),
      Boolean,
      20_000,
    );
  };
  await orderUntilStored('ip-1');
  const storedAtMs = performance.now();
  await until('both obey', known, (counts) => counts.join() === '2,2', 15_000);
  context.diagnostic(`obeyed ${Math.round(performance.now() - storedAtMs)} ms after the store took it`);
  await orderUntilStored('ip-2');
  await until('both obey', known, (counts) => counts.join() === '3,3', OBEYED_WITHIN_MS);
});

test('an order to one pod stops all of them within a second, counts the mail of all, and holds for a pod that starts later from its first message on', {
  skip,
  timeout: 90_000,
}, async (context) => {
  const group = await startGroup(
    context,
    { ...PROVIDERS.plain('mx.group.example'), finalDotMs: 20 },
    {
      retry: { delays: ['1s'] },
      limits: [{ name: 'site', per: ['Site'], recipientRate: '10/s' }],
    },
  );
  const pods = await Promise.all([group.start(), group.start(), group.start()]);
  const accepted = await Promise.all(pods.map((pod, index) => group.send(pod, `p${index}`, 200)));
  assert.deepEqual(accepted, [200, 200, 200]);
  const delivered = (): number => group.host.ledger.totals.delivered;
  const ofEach = (): readonly number[] =>
    [0, 1, 2].map((pod) => group.host.ledger.runs.get(`p${pod}`)?.reduce((sum, each) => sum + each, 0) ?? 0);
  await until('all pods send', ofEach, (counts) => counts.every((count) => count > 0), 30_000);
  const [one] = pods;
  assert.ok(one);
  const rehearsal = await sluiceCommand(one, 'hold', '--domain', GROUP_DOMAIN, '--dry-run');
  const [, touched = '', on] =
    /would touch (\d+) queued recipient groups.* on (\d) pods/.exec(rehearsal) ?? [];
  assert.equal(on, '3', rehearsal);
  assert.ok(Number(touched) > 200, `${touched} are more than one pod has`);
  assert.match(await sluiceCommand(one, 'directives'), /No directive/);

  await sluiceCommand(one, 'hold', '--domain', GROUP_DOMAIN, '--reason', 'wrong link');
  await new Promise((resolve) => setTimeout(resolve, OBEYED_WITHIN_MS));
  const held = delivered();
  assert.ok(held < 600, 'there is something left to hold');
  const late = await group.start();
  assert.equal(await group.send(late, 'late', 50), 50);
  assert.match(await sluiceCommand(late, 'directives'), /^hold +domain=group\.example .* wrong link$/m);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.equal(delivered(), held, 'nothing has left since');
  await sluiceCommand(one, 'override', 'site', '--recipient-rate', 'Unlimited', '--domain', GROUP_DOMAIN);
  const wouldEnd = await sluiceCommand(late, 'release', '--domain', GROUP_DOMAIN, '--dry-run');
  assert.match(wouldEnd, /1 would end\. They touch \d+ queued recipient groups, \d+ recipients on 4 pods/);
  assert.match(await sluiceCommand(late, 'release', '--domain', GROUP_DOMAIN), /1 ended/);
  await until('all is delivered', delivered, (count) => count === 650, 40_000);
  assert.equal(group.host.ledger.totals.duplicates, 0);
});

test('a pod that may not read the directives does not start: it would send what is held', {
  skip,
  timeout: 60_000,
}, async (context) => {
  const { permissions } = POD_USER;
  assert.ok(permissions);
  const blind = permissions.publish.filter((subject) => !/CONSUMER.*KV_sluice-directives/.test(subject));
  const nats = await startNats({ users: [{ ...POD_USER, permissions: { ...permissions, publish: blind } }] });
  context.after(() => nats.close());
  const starting = startSluice({
    spec: { spool: jetStreamSpool([nats.url]) },
    resources: { 'pool.yaml': onePool(['127.0.3.2']) },
  });
  await assert.rejects(starting, /KV_sluice-directives/);
});
