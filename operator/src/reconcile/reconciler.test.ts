import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { newestSet } from '@sluice/crds';
import { type FeedbackSource, type FeedbackState, NO_FEEDBACK } from '../feedback/mod.ts';
import { FakeApiServer } from '../kube/fake-api-server.fixture.ts';
import { kubeObject } from '../kube/kube-object.ts';
import { REFLECTOR_TIMING } from '../kube/reflector.ts';
import { keptLog, until } from '../kube/until.fixture.ts';
import { Reconciler } from './reconciler.ts';
import { CONFIG_LABEL, shardIn } from './shard-config-map.ts';

const RESOURCES = '/apis/sluice.email/v1alpha1/namespaces/mail';
const CONFIG_MAPS = '/api/v1/namespaces/mail/configmaps';
const EVENTS = '/apis/events.k8s.io/v1/namespaces/mail/events';

const pool = (address = '192.0.2.1') => ({
  apiVersion: 'sluice.email/v1alpha1',
  kind: 'EgressPool',
  spec: { sources: [{ name: 's', address, ehlo: 'out.example.com' }] },
});
const policy = (spec: object) => ({ apiVersion: 'sluice.email/v1alpha1', kind: 'ShapingPolicy', spec });

async function start(
  t: TestContext,
  prepare: (server: FakeApiServer) => void = () => {},
  feedback: FeedbackSource = NO_FEEDBACK,
) {
  const server = await new FakeApiServer().listen();
  prepare(server);
  let leads = true;
  const client = server.client();
  const { logger, lines } = keptLog();
  const operator = () =>
    new Reconciler({
      client,
      namespace: 'mail',
      release: 'sluice',
      identity: 'operator-1',
      library: [],
      isLeader: () => leads,
      logger,
      observer: { compiled() {}, published() {}, pods() {}, wrote() {}, failed() {} },
      feedback,
      random: () => 0,
      nowMs: () => performance.now(),
      wallMs: () => Date.UTC(2026, 11, 1),
      timing: { ...REFLECTOR_TIMING, minBackoffMs: 1, maxBackoffMs: 20, healthyMs: 5 },
    });
  const running: Reconciler[] = [];
  const begin = () => {
    const reconciler = operator();
    running.push(reconciler);
    reconciler.start();
    reconciler.lead();
    return reconciler;
  };
  t.after(async () => {
    await Promise.all(running.map((reconciler) => reconciler.stop()));
    client.close();
    await server.close();
  });
  const found = () => {
    const shards = server.paths(CONFIG_MAPS).flatMap((path) => {
      const object = server.object(path);
      return object === undefined ? [] : (shardIn(kubeObject.parse(object)) ?? []);
    });
    const newest = newestSet(shards);
    return 'set' in newest ? newest.set : undefined;
  };
  return {
    server,
    lines,
    begin,
    first: begin(),
    found,
    lose: () => {
      leads = false;
    },
    pools: () => found()?.config.pools.map(({ name, sources }) => `${name}=${sources[0]?.address}`) ?? [],
    conditions: (path: string) => conditionsOf(server.object(`${RESOURCES}/${path}`)),
    writes: () => server.requests.filter(({ method }) => method !== 'GET'),
  };
}

/** `Accepted=True/Accepted`, … */
function conditionsOf(object: unknown): readonly string[] {
  const text = JSON.stringify(object ?? {});
  const parsed: { status?: { conditions?: { type: string; status: string; reason: string }[] } } =
    JSON.parse(text);
  return (parsed.status?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status}/${reason}`);
}

const WELL = [
  'Accepted=True/Accepted',
  'ResolvedRefs=True/ResolvedRefs',
  'Programmed=Unknown/NoFeedback',
  'Ready=True/Published',
];

test('a pool that is applied is in the ConfigMap and says so; nothing is written after that', async (t) => {
  const { server, pools, conditions, writes, first } = await start(t);
  await until('it watches', () => server.openWatches === 3);
  server.put(`${RESOURCES}/egresspools/a`, pool());
  await until('it is published', () => pools().includes('a=192.0.2.1'));
  await until('it says so', () => conditions('egresspools/a').length > 0);
  assert.deepEqual(conditions('egresspools/a'), WELL);
  await until('all is done', () => first.queued === 0);
  const before = writes().length;
  server.bookmark();
  server.endWatches('End');
  await until('it watches again', () => server.openWatches === 3);
  server.put(`${RESOURCES}/egresspools/a`, { metadata: { annotations: { a: 'b' } } });
  await until('all is done', () => first.queued === 0);
  assert.equal(writes().length, before, 'annotations, new watches and own writes change nothing');
  assert.equal(writes().filter(({ path }) => path.endsWith('/status')).length, 1);
});

test('a change that a user makes while its status is being written is not lost', async (t) => {
  const { server, pools } = await start(t);
  await until('it watches', () => server.openWatches === 3);
  let changed = false;
  server.fault = ({ method, path }) => {
    if (method !== 'PATCH' || !path.endsWith('/egresspools/a/status') || changed) return undefined;
    changed = true;
    server.put(`${RESOURCES}/egresspools/a`, pool('192.0.2.2'));
    return undefined;
  };
  server.put(`${RESOURCES}/egresspools/a`, pool('192.0.2.1'));
  await until('the change is published', () => pools().includes('a=192.0.2.2'));
});

test('with no resource at all there is an empty configuration: pods know that there is nothing', async (t) => {
  const { found } = await start(t);
  await until('it is published', () => found() !== undefined);
  assert.deepEqual(found()?.config.pools, []);
});

test('a mistake keeps the last good form, names the field, and stops nobody else', async (t) => {
  const { server, pools, conditions } = await start(t, (server) => {
    server.put(`${RESOURCES}/egresspools/a`, pool());
  });
  await until('it is published', () => pools().includes('a=192.0.2.1'));
  server.put(`${RESOURCES}/egresspools/a`, pool('nonsense'));
  server.put(`${RESOURCES}/egresspools/b`, pool('192.0.2.2'));
  await until('the other one is in force', () => pools().includes('b=192.0.2.2'));
  assert.deepEqual(pools(), ['a=192.0.2.1', 'b=192.0.2.2']);
  await until('it says so', () => conditions('egresspools/a')[0] === 'Accepted=False/Invalid');
  assert.deepEqual(conditions('egresspools/a').slice(2), [
    'Programmed=Unknown/NoFeedback',
    'Ready=False/Invalid',
    'Stalled=True/Invalid',
  ]);
  const text = JSON.stringify(server.object(`${RESOURCES}/egresspools/a`)?.status);
  assert.match(text, /spec\.sources\[0\]\.address/);
  await until('an Event tells it', () => server.paths(EVENTS).length > 0);
  server.put(`${RESOURCES}/egresspools/a`, pool('192.0.2.3'));
  await until('the corrected form is in force', () => pools().includes('a=192.0.2.3'));
  await until('it says so', () => conditions('egresspools/a').length === 4);
  assert.deepEqual(conditions('egresspools/a'), WELL);
});

test('an operator that starts anew takes the last good form from the ConfigMaps: a mistake does not stop mail at the next restart', async (t) => {
  const { server, pools, first, begin, conditions } = await start(t, (server) => {
    server.put(`${RESOURCES}/egresspools/a`, pool());
  });
  await until('it is published', () => pools().includes('a=192.0.2.1'));
  await first.stop();
  server.put(`${RESOURCES}/egresspools/a`, pool('nonsense'));
  begin();
  await until('it says so', () => conditions('egresspools/a')[0] === 'Accepted=False/Invalid');
  assert.deepEqual(pools(), ['a=192.0.2.1']);
});

test('what refers to nothing says so, and is well as soon as it is there', async (t) => {
  const { server, conditions } = await start(t, (server) => {
    const targetRefs = [{ group: 'sluice.email', kind: 'EgressPool', name: 'late' }];
    server.put(`${RESOURCES}/shapingpolicies/p`, policy({ targetRefs, default: {} }));
  });
  await until('it says so', () =>
    conditions('shapingpolicies/p').includes('ResolvedRefs=False/TargetNotFound'),
  );
  assert.ok(conditions('shapingpolicies/p').includes('Ready=False/TargetNotFound'));
  server.put(`${RESOURCES}/egresspools/late`, pool());
  await until('it is well', () => conditions('shapingpolicies/p').at(-1) === 'Ready=True/Published');
});

test('two that claim the same domain both say Conflicted and name the rival', async (t) => {
  const claim = (name: string) =>
    policy({
      destinations: [{ name, match: { domains: ['example.com'] }, session: { messagesPerConnection: 5 } }],
    });
  const { server, conditions } = await start(t, (server) => {
    server.put(`${RESOURCES}/shapingpolicies/one`, claim('a'));
    server.put(`${RESOURCES}/shapingpolicies/two`, claim('b'));
  });
  for (const name of ['one', 'two'])
    await until(`${name} says so`, () =>
      conditions(`shapingpolicies/${name}`).includes('Conflicted=True/EqualClaims'),
    );
  assert.match(JSON.stringify(server.object(`${RESOURCES}/shapingpolicies/one`)?.status), /two/);
  server.remove(`${RESOURCES}/shapingpolicies/two`);
  await until('the conflict is over', () => conditions('shapingpolicies/one').length === 4);
});

test('a ConfigMap that somebody edits or deletes is put right, with a set that is newer to pods', async (t) => {
  const { server, found, pools } = await start(t, (server) => {
    server.put(`${RESOURCES}/egresspools/a`, pool());
  });
  await until('it is published', () => pools().length === 1);
  const before = found()?.generation ?? 0;
  server.put(`${CONFIG_MAPS}/sluice-egress-0`, { data: {} });
  await until('it is put right', () => pools().length === 1);
  server.remove(`${CONFIG_MAPS}/sluice-egress-0`);
  await until('it is there again', () => pools().length === 1);
  assert.ok((found()?.generation ?? 0) >= before);
});

test('surplus shards go, and only those of this release', async (t) => {
  const labels = { [CONFIG_LABEL]: 'sluice' };
  const { server, pools } = await start(t, (server) => {
    server.put(`${CONFIG_MAPS}/sluice-egress-1`, { metadata: { labels } });
    server.put(`${CONFIG_MAPS}/other-egress-1`, { metadata: { labels: { [CONFIG_LABEL]: 'other' } } });
    server.put(`${CONFIG_MAPS}/sluice-egress-2`, { metadata: {} });
    server.put(`${RESOURCES}/egresspools/a`, pool());
  });
  await until('it is published', () => pools().length === 1);
  await until('surplus is gone', () => server.object(`${CONFIG_MAPS}/sluice-egress-1`) === undefined);
  assert.ok(server.object(`${CONFIG_MAPS}/other-egress-1`));
  assert.ok(server.object(`${CONFIG_MAPS}/sluice-egress-2`));
});

test('writes that the API server refuses are tried until they succeed; meanwhile the status does not claim them', async (t) => {
  let refuse = true;
  const { server, pools, conditions } = await start(t, (server) => {
    server.put(`${RESOURCES}/egresspools/a`, pool());
    server.fault = ({ method, path }) =>
      refuse && method === 'PATCH' && path.startsWith(CONFIG_MAPS)
        ? { type: 'Answer', status: 500, body: { message: 'no quota' } }
        : undefined;
  });
  await until('it says so', () => conditions('egresspools/a').includes('Programmed=False/NotPublished'));
  assert.equal(conditions('egresspools/a').at(-1), 'Ready=False/NotPublished');
  assert.deepEqual(pools(), []);
  refuse = false;
  await until('it is published', () => pools().length === 1);
  await until('it says so', () => conditions('egresspools/a').at(-1) === 'Ready=True/Published');
  assert.ok(server.requests.length < 60, 'and it was not a hot loop');
});

test('an operator that does not lead writes nothing', async (t) => {
  const { server, lose, writes, pools, first } = await start(t);
  await until('it is published', () => writes().length > 0 && first.queued === 0);
  lose();
  const before = writes().length;
  server.put(`${RESOURCES}/egresspools/a`, pool());
  await until('it saw the change', () => first.queued === 0);
  server.bookmark();
  assert.equal(writes().length, before);
  assert.deepEqual(pools(), []);
});

test('through errors, 429, broken and silent watches and compaction the ConfigMaps become what the resources are', async (t) => {
  let seed = 7;
  const random = () => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
    return seed / 2 ** 31;
  };
  const { server, pools, first } = await start(t);
  let faults = true;
  server.fault = () => {
    if (!faults || random() > 0.3) return undefined;
    const kind = random();
    if (kind < 0.3) return { type: 'Destroy' };
    if (kind < 0.6) return { type: 'Answer', status: 503 };
    return { type: 'Answer', status: 429, headers: { 'retry-after': '0.02' } };
  };
  for (let step = 0; step < 120; step++) {
    const name = `pool-${Math.floor(random() * 12)}`;
    const path = `${RESOURCES}/egresspools/${name}`;
    if (random() < 0.3) server.remove(path);
    else server.put(path, pool(`192.0.2.${1 + Math.floor(random() * 250)}`));
    if (random() < 0.15) server.endWatches(random() < 0.5 ? 'End' : 'Break');
    if (random() < 0.1) server.compact();
    await new Promise((resolve) => setImmediate(resolve));
  }
  faults = false;
  const wanted = server
    .paths(`${RESOURCES}/egresspools`)
    .map(
      (path) =>
        `${path.slice(path.lastIndexOf('/') + 1)}=${/"address":"([^"]+)"/.exec(JSON.stringify(server.object(path)))?.[1]}`,
    )
    .toSorted();
  await until('they agree', () => pools().toSorted().join() === wanted.join() && first.queued === 0);
});

/** Pods as the tests say. */
class SaidFeedback implements FeedbackSource {
  state: FeedbackState = { type: 'Waiting' };
  readonly #listeners = new Set<() => void>();

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  start(): void {}

  async stop(): Promise<void> {}

  say(...pods: readonly (readonly [host: string, generation: number, hash?: string])[]): void {
    const sessions = pods.map(([host, generation, configHash = '']) => ({
      session: host,
      facts: { host, version: '1', configHash, generation, state: 'ready' as const },
    }));
    this.become({ type: 'Known', sessions });
  }

  become(state: FeedbackState): void {
    this.state = state;
    for (const listener of this.#listeners) listener();
  }
}

const RUNNING = [...WELL.slice(0, 2), 'Programmed=True/Programmed', 'Ready=True/Published'];

async function startWithPods(t: TestContext, names: readonly string[] = ['a']) {
  const feedback = new SaidFeedback();
  const started = await start(
    t,
    (server) => {
      for (const name of names) server.put(`${RESOURCES}/egresspools/${name}`, pool());
    },
    feedback,
  );
  await until('it is published', () => started.pools().length === names.length);
  const statuses = () => started.writes().filter(({ path }) => path.endsWith('/status')).length;
  const set = () => started.found() ?? { generation: 0, config: { hash: '' } };
  return { ...started, feedback, statuses, set };
}

test('a change is one write when pods take it up at once, and the status says that all run it', async (t) => {
  const { server, feedback, statuses, set, conditions, first } = await startWithPods(t);
  assert.equal(statuses(), 0, 'nothing is said before anything is known of the pods');
  feedback.say(
    ['mta-0', set().generation, set().config.hash],
    ['mta-1', set().generation, set().config.hash],
  );
  await until('it says so', () => conditions('egresspools/a').length > 0);
  assert.deepEqual(conditions('egresspools/a'), RUNNING);
  const object: unknown = server.object(`${RESOURCES}/egresspools/a`)?.status;
  assert.match(JSON.stringify(object), /"pods":\{"programmed":2,"total":2\}/);
  const before = statuses();
  const { generation } = set();
  server.put(`${RESOURCES}/egresspools/a`, pool('192.0.2.9'));
  await until('it is published', () => set().generation > generation);
  feedback.say(
    ['mta-0', set().generation, set().config.hash],
    ['mta-1', set().generation, set().config.hash],
  );
  await until('it says so', () => statuses() > before && first.queued === 0);
  assert.deepEqual(conditions('egresspools/a'), RUNNING);
  assert.equal(statuses(), before + 1);
});

test('a pod that does not take a change up is named, for that resource alone, and Ready waits for it: two writes a change', async (t) => {
  const { server, feedback, statuses, set, conditions, first } = await startWithPods(t, ['a', 'b']);
  const old = set();
  feedback.say(['mta-0', old.generation, old.config.hash], ['mta-1', old.generation, old.config.hash]);
  await until('both are well', () =>
    ['a', 'b'].every((name) => conditions(`egresspools/${name}`).join() === RUNNING.join()),
  );
  const before = statuses();
  server.put(`${RESOURCES}/egresspools/a`, pool('192.0.2.9'));
  await until('it is published', () => set().generation > old.generation);
  feedback.say(['mta-0', set().generation, set().config.hash], ['mta-1', old.generation, old.config.hash]);
  await until('it says so', () => conditions('egresspools/a').includes('Programmed=False/PodsBehind'));
  assert.ok(conditions('egresspools/a').includes('Ready=False/PodsBehind'));
  assert.match(JSON.stringify(server.object(`${RESOURCES}/egresspools/a`)?.status), /yet: mta-1\./);
  assert.deepEqual(conditions('egresspools/b'), RUNNING, 'of another one the form has not changed');
  feedback.say(['mta-0', set().generation, set().config.hash]);
  await until('it is gone: all others run it', () => conditions('egresspools/a').join() === RUNNING.join());
  await until('all is done', () => first.queued === 0);
  assert.equal(statuses() - before, 2);
  assert.deepEqual(server.paths(EVENTS), [], 'that pods take up a change is no Event');
});

test('pods that come and go all the time cost a bounded number of writes', async (t) => {
  const names = Array.from({ length: 40 }, (_, index) => `p${index}`);
  const { feedback, statuses, set, first, conditions } = await startWithPods(t, names);
  const { generation, config } = set();
  feedback.say(['mta-0', generation, config.hash]);
  await until('all say so', () => names.every((name) => conditions(`egresspools/${name}`).length > 0));
  const before = statuses();
  for (let flap = 0; flap < 200; flap++) {
    if (flap % 2 === 0) feedback.say();
    else feedback.say(['mta-0', generation, config.hash], [`mta-${flap}`, generation - 1]);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await until('all is done', () => first.queued === 0);
  assert.equal(statuses(), before, 'what pods do is written at the next review, not at once');
});

test('an operator that takes over writes nothing while pods run what is published', async (t) => {
  const { feedback, statuses, set, first, begin, conditions } = await startWithPods(t, ['a', 'b']);
  feedback.say(['mta-0', set().generation, set().config.hash]);
  await until('both are well', () =>
    ['a', 'b'].every((name) => conditions(`egresspools/${name}`).join() === RUNNING.join()),
  );
  await first.stop();
  const before = statuses();
  const second = begin();
  await until('it has compiled', () => second.watches.ConfigMap !== undefined && second.queued === 0);
  feedback.say(['mta-0', set().generation, set().config.hash]);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(statuses(), before);
});

test('without NATS, and when NATS is lost, a status says that it is not known who runs it', async (t) => {
  const { feedback, conditions } = await startWithPods(t);
  feedback.become({ type: 'Lost', reason: 'refused' });
  await until('it says so', () => conditions('egresspools/a').includes('Programmed=Unknown/FeedbackLost'));
  assert.equal(conditions('egresspools/a').at(-1), 'Ready=True/Published');
});
