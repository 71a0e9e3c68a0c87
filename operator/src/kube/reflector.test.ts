import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FakeApiServer, type Fault } from './fake-api-server.fixture.ts';
import { PAGE_SIZE, REFLECTOR_TIMING, Reflector, type ReflectorTiming } from './reflector.ts';
import { keptLog, until } from './until.fixture.ts';

const PATH = '/apis/sluice.email/v1alpha1/namespaces/mail/egresspools';
const QUICK: ReflectorTiming = { ...REFLECTOR_TIMING, minBackoffMs: 1, maxBackoffMs: 20, healthyMs: 5 };

interface StartOptions {
  readonly timing?: ReflectorTiming;
  readonly prepare?: (server: FakeApiServer) => void;
}

async function start(t: TestContext, { timing = QUICK, prepare = () => {} }: StartOptions = {}) {
  const server = await new FakeApiServer().listen();
  prepare(server);
  const changes: (readonly string[])[] = [];
  const { logger, lines } = keptLog();
  const client = server.client();
  const reflector = new Reflector({
    client,
    path: PATH,
    onChange: (names) => changes.push(names),
    logger,
    random: () => 0.5,
    nowMs: () => performance.now(),
    timing,
  });
  reflector.start();
  t.after(async () => {
    await reflector.stop();
    client.close();
    await server.close();
  });
  return {
    server,
    reflector,
    changes,
    lines,
    lists: () => server.requests.filter(({ query }) => query.watch === undefined).length,
    has: (name: string) => until(`${name} is seen`, () => reflector.objects.has(name)),
    watching: () => until('it watches', () => server.openWatches === 1),
  };
}

test('a resource that is there, comes, changes or goes is known at once', async (t) => {
  const prepare = (server: FakeApiServer) => void server.put(`${PATH}/a`);
  const { server, reflector, has, lists, watching } = await start(t, { prepare });
  await has('a');
  await watching();
  server.put(`${PATH}/b`, { spec: { one: 1 } });
  await has('b');
  server.put(`${PATH}/b`, { spec: { one: 2 } });
  await until('the change is seen', () => reflector.objects.get('b')?.metadata.generation === 2);
  server.remove(`${PATH}/a`);
  await until('it is gone', () => !reflector.objects.has('a'));
  assert.equal(lists(), 1, 'a watch needs no second list');
});

test('more resources than one page holds are all known', async (t) => {
  const count = PAGE_SIZE * 2 + 1;
  const { reflector, lists, changes } = await start(t, {
    prepare: (server) => {
      for (let index = 0; index < count; index++) server.put(`${PATH}/pool-${index}`);
    },
  });
  await until('it is listed', () => reflector.synced);
  assert.equal(reflector.objects.size, count);
  assert.equal(lists(), 3);
  assert.equal(changes[0]?.length, count, 'and nothing is told before all of them are');
});

test('pages whose version is gone in between are read in one piece: no half list is taken for the whole', async (t) => {
  const { reflector, server } = await start(t, {
    prepare: (server) => {
      for (let index = 0; index < PAGE_SIZE + 1; index++) server.put(`${PATH}/pool-${index}`);
      server.fault = ({ query }) => {
        if (query.continue !== undefined) server.compact();
        return undefined;
      };
    },
  });
  await until('it is listed', () => reflector.synced);
  assert.equal(reflector.objects.size, PAGE_SIZE + 1);
  assert.equal(server.requests.at(2)?.query.limit, undefined);
});

for (const how of ['End', 'Break'] as const) {
  test(`a watch that is over (${how}) is opened again where it ended: nothing is missed, nothing listed`, async (t) => {
    const { server, has, lists, watching } = await start(t);
    await watching();
    server.endWatches(how);
    server.put(`${PATH}/meanwhile`);
    await has('meanwhile');
    assert.equal(lists(), 1);
  });
}

test('after a bookmark a compaction costs no list', async (t) => {
  const { server, has, lists, watching } = await start(t);
  await watching();
  server.put(`${PATH}/a`);
  server.compact();
  server.bookmark();
  await has('a');
  server.endWatches('End');
  server.put(`${PATH}/b`);
  await has('b');
  assert.equal(lists(), 1);
});

test('a version that is too old (410) is a list, and what was deleted meanwhile is gone', async (t) => {
  const prepare = (server: FakeApiServer) => void server.put(`${PATH}/a`);
  const { server, reflector, has, watching } = await start(t, { prepare });
  await watching();
  server.fault = ({ query }) => (query.watch === undefined ? undefined : { type: 'Destroy' });
  server.endWatches('Break');
  server.remove(`${PATH}/a`);
  server.put(`${PATH}/b`);
  server.compact();
  server.fault = () => undefined;
  await has('b');
  assert.equal(reflector.objects.has('a'), false);
});

test('410 in the stream is a list, any other error there another watch', async (t) => {
  const { server, lists, has, watching } = await start(t);
  await watching();
  server.watchError(500, 'etcd is away');
  await until('it watches again', () => server.watchesOpened === 2 && server.openWatches === 1);
  assert.equal(lists(), 1);
  server.watchError(410, 'too old resource version');
  await until('it lists and watches again', () => server.watchesOpened === 3);
  assert.equal(lists(), 2);
  server.put(`${PATH}/a`);
  await has('a');
});

test('lists and watches that fail do not end it: it goes on until the API server does', async (t) => {
  const faults: readonly Fault[] = [
    { type: 'Answer', status: 500 },
    { type: 'Answer', status: 403, body: { kind: 'Status', message: 'forbidden' } },
    { type: 'Destroy' },
    { type: 'Answer', status: 200, body: { no: 'list' } },
  ];
  let left = 6;
  const fault = () => (left-- > 0 ? faults[left % faults.length] : undefined);
  const prepare = (server: FakeApiServer) => {
    server.fault = fault;
  };
  const { server, has, watching } = await start(t, { prepare });
  server.put(`${PATH}/a`);
  await has('a');
  await watching();
  left = 3;
  server.endWatches('Break');
  server.put(`${PATH}/b`);
  await has('b');
});

test('a server that is busy (429) is left alone for as long as it asks', async (t) => {
  const times: number[] = [];
  const { reflector } = await start(t, {
    prepare: (server) => {
      server.fault = () => {
        times.push(performance.now());
        if (times.length > 1) return undefined;
        return { type: 'Answer', status: 429, headers: { 'retry-after': '0.2' } };
      };
    },
  });
  await until('it is listed', () => reflector.synced);
  assert.ok((times[1] ?? 0) - (times[0] ?? 0) >= 195);
});

test('a watch that says nothing, as behind a connection that is half open, is replaced', async (t) => {
  const { server, has, watching } = await start(t, { timing: { ...QUICK, silenceMs: 60 } });
  await watching();
  server.silenceWatches();
  server.put(`${PATH}/a`);
  await has('a');
});

test('a list that never comes is tried again', async (t) => {
  let asked = 0;
  const { has, server } = await start(t, {
    timing: { ...QUICK, listTimeoutMs: 60 },
    prepare: (server) => {
      server.put(`${PATH}/a`);
      server.fault = () => (asked++ === 0 ? { type: 'Hang' } : undefined);
    },
  });
  await has('a');
  assert.ok(server.requests.length >= 2);
});

test('an API server that ends every watch at once is not asked in a hot loop', async (t) => {
  const timing = { ...QUICK, minBackoffMs: 20, maxBackoffMs: 1_000, healthyMs: 60_000 };
  const { server, watching } = await start(t, { timing });
  await watching();
  server.fault = ({ query }) => (query.watch === undefined ? undefined : { type: 'Answer', status: 200 });
  const before = server.requests.length;
  const startMs = performance.now();
  server.endWatches('End');
  await until('it tries again', () => server.requests.length >= before + 4);
  assert.ok(performance.now() - startMs > 30 * (1 + 2 + 4 + 8) - 10, 'each try waits longer');
});

test('an API server for which every version is too old is not listed in a hot loop', async (t) => {
  const timing = { ...QUICK, minBackoffMs: 20, maxBackoffMs: 1_000, healthyMs: 60_000 };
  const { server, lists, watching } = await start(t, { timing });
  await watching();
  server.fault = ({ query }) => (query.watch === undefined ? undefined : { type: 'Answer', status: 410 });
  const startMs = performance.now();
  server.endWatches('Break');
  await until('it lists again', () => lists() >= 5);
  assert.ok(performance.now() - startMs > 30 * (1 + 2 + 4) - 10, 'each list but the first waits longer');
});

test('rubbish in the stream ends nothing', async (t) => {
  const { server, has, lines, watching } = await start(t);
  await watching();
  server.rawLine('no json');
  await until('it watches again', () => server.watchesOpened === 2 && server.openWatches === 1);
  server.put(`${PATH}/a`);
  await has('a');
  assert.ok(lines.some(({ fields }) => fields.reason === 'a line of the watch is no event'));
});

test('what follows a change may throw: the next change is told all the same', async (t) => {
  const server = await new FakeApiServer().listen();
  const client = server.client();
  const { logger, lines } = keptLog();
  let calls = 0;
  const reflector = new Reflector({
    client,
    path: PATH,
    onChange: () => {
      calls++;
      throw new Error('bug');
    },
    logger,
    random: Math.random,
    nowMs: () => performance.now(),
  });
  reflector.start();
  t.after(async () => {
    await reflector.stop();
    client.close();
    await server.close();
  });
  await until('it watches', () => server.openWatches === 1);
  server.put(`${PATH}/a`);
  await until('the second change is told', () => calls === 2);
  assert.match(String(lines.find(({ level }) => level === 'error')?.fields.reason), /bug/);
});

test('health knows for how long nothing was heard', async (t) => {
  const { reflector, server, watching } = await start(t);
  await watching();
  const heard = reflector.silentMs;
  await until('time passes', () => reflector.silentMs > heard + 20);
  server.bookmark();
  await until('the bookmark counts as contact', () => reflector.silentMs < heard + 20);
});
