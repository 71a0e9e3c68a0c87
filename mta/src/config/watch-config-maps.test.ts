import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConfigShard, compile, packConfigSet, parseResources, SHARD_MEMBERS } from '@sluice/crds';
import { type ConfigMapApi, followConfigMaps } from './config-map-api.ts';
import { watchConfigMaps } from './watch-config-maps.ts';

const LOG = { debug() {}, info() {}, warn() {}, error() {}, child: () => LOG };

function shardsOf(
  pools: readonly string[],
  generation: number,
  budgetBytes?: number,
): readonly ConfigShard[] {
  const text = pools
    .map(
      (name) =>
        `apiVersion: sluice.email/v1alpha1\nkind: EgressPool\nmetadata: {name: ${name}}\nspec: {sources: [{name: s, address: 192.0.2.1, ehlo: a.example}]}\n`,
    )
    .join('---\n');
  const { config, lastGood } = compile({ resources: parseResources(text, 'x.yaml').resources });
  return packConfigSet(config, [...lastGood.values()], budgetBytes).shards(generation);
}

function configMap({ header, config }: ConfigShard, version: number) {
  return {
    metadata: { name: `sluice-egress-${header.index}`, resourceVersion: String(version) },
    data: { [SHARD_MEMBERS.header]: JSON.stringify(header) },
    binaryData: { [SHARD_MEMBERS.config]: Buffer.from(config).toString('base64') },
  };
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let left = 1_500; !holds(); left--) {
    assert.ok(left > 0, `still not: ${what}`);
    await delay(3);
  }
}

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-config-maps-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

function mount(directory: string, shards: readonly ConfigShard[]): void {
  rmSync(directory, { recursive: true, force: true });
  for (const { header, config } of shards) {
    const at = join(directory, String(header.index));
    mkdirSync(at, { recursive: true });
    writeFileSync(join(at, SHARD_MEMBERS.header), JSON.stringify(header));
    writeFileSync(join(at, SHARD_MEMBERS.config), config);
  }
}

/** An API server with nothing but ConfigMaps, that can fail. */
async function startApi(t: TestContext) {
  let items: readonly object[] = [];
  let answers: readonly number[] = [];
  const watches = new Set<ServerResponse>();
  const seen: { readonly url: string; readonly authorization: string | undefined }[] = [];
  const server = createServer((request, response) => {
    seen.push({ url: request.url ?? '', authorization: request.headers.authorization });
    const [status = 200, ...rest] = answers;
    answers = rest;
    response.writeHead(status, { 'content-type': 'application/json' });
    const isWatch = request.url?.includes('watch=true') ?? false;
    if (status !== 200) response.end('{}');
    else if (!isWatch) response.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items }));
    else {
      response.flushHeaders();
      watches.add(response);
      response.once('close', () => watches.delete(response));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  let tokens = 0;
  const api: ConfigMapApi = {
    server: new URL(`http://127.0.0.1:${port}`),
    namespace: 'mail',
    token: async () => `token-${++tokens}`,
  };
  const seenSets: (readonly ConfigShard[])[] = [];
  const failures: string[] = [];
  const stop = new AbortController();
  const start = (silenceMs = 5_000) =>
    void followConfigMaps(
      {
        api,
        labelSelector: 'sluice.email/config=sluice',
        onShards: (shards) => seenSets.push(shards),
        onFailure: (reason) => failures.push(reason),
        random: () => 0,
        silenceMs,
        minBackoffMs: 1,
      },
      stop.signal,
    );
  t.after(() => {
    stop.abort();
    server.closeAllConnections();
    server.close();
  });
  return {
    seen,
    seenSets,
    failures,
    watches,
    start,
    put: (shards: readonly ConfigShard[], version: number) => {
      items = shards.map((shard) => configMap(shard, version));
      return items;
    },
    answer: (...statuses: readonly number[]) => {
      answers = statuses;
    },
    say: (type: string, object: unknown) => {
      for (const watch of watches) watch.write(`${JSON.stringify({ type, object })}\n`);
    },
    last: () => seenSets.at(-1)?.map(({ header }) => header.generation),
  };
}

test('a changed ConfigMap is seen at once, with the token that is valid now', async (t) => {
  const api = await startApi(t);
  api.put(shardsOf(['a'], 1), 1);
  api.start();
  await until('it watches', () => api.watches.size === 1);
  assert.deepEqual(api.last(), [1]);
  api.say('MODIFIED', api.put(shardsOf(['b'], 2), 2)[0]);
  await until('the change is seen', () => api.last()?.[0] === 2);
  assert.deepEqual(
    api.seen.map(({ authorization }) => authorization),
    ['Bearer token-1', 'Bearer token-2'],
  );
  assert.match(
    api.seen[1]?.url ?? '',
    /labelSelector=sluice.email%2Fconfig%3Dsluice&watch=true&allowWatchBookmarks=true/,
  );
});

test('refusals, an ERROR line, a broken and a silent watch only mean another list', async (t) => {
  const api = await startApi(t);
  api.put(shardsOf(['a'], 1), 1);
  api.answer(403, 500, 429);
  api.start(80);
  await until('it watches', () => api.watches.size === 1);
  assert.equal(api.failures[0], 'the API server answers 403 Forbidden');
  const lists = () => api.seenSets.length;
  for (const fail of [
    () => api.say('ERROR', { code: 410, message: 'too old resource version' }),
    () => [...api.watches].forEach((watch) => void watch.destroy()),
    // Silent for longer than it waits.
    () => {},
  ]) {
    const before = lists();
    fail();
    await until('it lists again', () => lists() > before);
    await until('it watches again', () => api.watches.size === 1);
  }
  assert.ok(api.failures.includes('too old resource version'));
  assert.ok(api.failures.includes('nothing was heard for 80 ms'));
});

async function startWatch(t: TestContext, mountDirectory: string, lastGoodFile: string) {
  const changes: string[] = [];
  const watch = await watchConfigMaps({
    configMaps: { release: 'sluice', mountDirectory, serviceAccountDirectory: '/nonexistent' },
    environment: {},
    settings: { tenants: [], classes: [] },
    logger: LOG,
    lastGoodFile,
    onChange: ({ config }) => changes.push(config.pools.map(({ name }) => name).join()),
  });
  t.after(() => watch.close());
  return { watch, changes, pools: () => watch.state.config.pools.map(({ name }) => name).join() };
}

test('without the API server the mounted set is used; a half or older one changes nothing, and a restart knows the last one', async (t) => {
  const directory = directoryOf(t);
  const [mounted, lastGoodFile] = [join(directory, 'mount'), join(directory, 'last-good.json')];
  const many = Array.from({ length: 40 }, (_, index) => `pool-${index}`);
  mount(mounted, shardsOf(['a'], 5));
  const { watch, pools, changes } = await startWatch(t, mounted, lastGoodFile);
  assert.equal(pools(), 'a');
  assert.equal(watch.state.ok, true);

  mount(mounted, shardsOf(many, 6, 1_800).slice(1));
  await until('it says so', () => !watch.state.ok);
  assert.match(watch.state.problems[0]?.what ?? '', /of the set of generation 6 there are \d+ of \d+ shards/);
  assert.equal(pools(), 'a');

  mount(mounted, shardsOf(['old'], 4));
  mount(mounted, shardsOf(['b'], 7));
  await until('the newer one is in force', () => pools() === 'b');
  assert.deepEqual([watch.state.ok, changes], [true, ['b']]);
  watch.close();

  mount(mounted, shardsOf(['old'], 4));
  const again = await startWatch(t, mounted, lastGoodFile);
  assert.equal(again.pools(), 'b', 'a mount that lags behind is no reason to go back');
});
