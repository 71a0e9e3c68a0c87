import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { SluiceError } from '@sluice/crds';
import type { Logger, Problem, ResourceState } from '../config/mod.ts';
import type { LaneView, ListingRow } from '../dispatch/mod.ts';
import { type AdminServer, startAdminServer } from './admin-server.ts';
import { configurationCheck, drainingCheck, listenerCheck, spoolCheck } from './checks.ts';
import { type ReadinessCheck, readiness } from './readiness.ts';

const logged: string[] = [];
const log = (_fields: object, message: string) => void logged.push(message);
const logger: Logger = { debug: log, info: log, warn: log, error: log, child: () => logger };

const lane: LaneView = {
  pool: 'shared-a',
  site: 'mx.example',
  ready: 10,
  asleep: 0,
  waiting: 2,
  inFlight: 3,
  connections: 3,
  connectionsPerSource: { 'ip-1': 3 },
  oldestAgeMs: 1500,
  lastReply: '421 4.7.28 unusual rate of mail',
};

const ROW: ListingRow = {
  pool: '',
  site: '',
  tenant: '',
  domain: '',
  ready: 1,
  asleep: 2,
  waiting: 3,
  inFlight: 4,
  recipients: 12,
  oldestAcceptedAtMs: 1_780_000_000_000,
  nextDueAtMs: 0,
  lastReply: '',
  lastReplyAtMs: 0,
};

const servers: AdminServer[] = [];
after(() => Promise.all(servers.map((server) => server.close())));

async function start(checks: readonly ReadinessCheck[], failingMetrics = false): Promise<string> {
  const server = await startAdminServer({
    address: { host: '127.0.0.1', port: 0 },
    checks,
    metrics: {
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      render: () => (failingMetrics ? Promise.reject(new Error('no numbers')) : Promise.resolve('up 1\n')),
    },
    queue: (limit) => ({ entries: 45, lanes: [lane, lane, lane].slice(0, limit) }),
    listing: (by, filter) =>
      ['a.example', 'b.example', 'c.example']
        .filter((domain) => filter.domain === undefined || filter.domain === domain)
        .map((domain) => ({ ...ROW, domain: by === 'Domain' ? domain : '' })),
    logger,
  });
  servers.push(server);
  return `http://127.0.0.1:${server.address.port}`;
}

test('a pod that cannot take mail leaves the Service, and its body says which check failed', async () => {
  let freeBytes = 1000;
  let draining = false;
  const url = await start([
    spoolCheck(() => ({ messages: 5, usedBytes: 1, freeBytes }), 100),
    listenerCheck(() => ['127.0.0.1:2525']),
    drainingCheck(() => draining),
  ]);
  const good = await fetch(`${url}/readyz`);
  assert.equal(good.status, 200);
  assert.deepEqual(await good.json(), {
    ready: true,
    checks: [
      { name: 'spool', status: 'ok', detail: '5 messages stored' },
      { name: 'listener', status: 'ok', detail: 'listening on 127.0.0.1:2525' },
      { name: 'draining', status: 'ok', detail: 'not draining' },
    ],
  });
  freeBytes = 50;
  const full = await fetch(`${url}/readyz`);
  assert.equal(full.status, 503);
  assert.match(await full.text(), /50 bytes free, 100 are needed/);
  freeBytes = 1000;
  draining = true;
  assert.equal((await fetch(`${url}/readyz`)).status, 503);
  assert.equal((await fetch(`${url}/livez`)).status, 200, 'a draining pod must not be killed');
});

test('a broken configuration change is told, but does not take all pods out of the Service', async () => {
  const problem: Problem = {
    code: 'SLUICE_FIELD_UNKNOWN',
    file: 'a.yaml',
    line: 3,
    field: 'spec',
    what: 'Unknown field.',
    cure: 'Remove it.',
  };
  const config = {
    formatVersion: 1,
    hash: 'abcdef0123456789',
    pools: [],
    matches: [],
    policies: [],
  } as const;
  let state: ResourceState = {
    hash: config.hash,
    loadedAtMs: 1,
    ok: true,
    problems: [],
    refused: [],
    warnings: [],
    config,
  };
  const url = await start([configurationCheck(() => state)]);
  assert.match(await (await fetch(`${url}/readyz`)).text(), /abcdef012345 is in force/);
  state = { ...state, ok: false, problems: [problem], refused: ['EgressPool/a'] };
  const broken = await fetch(`${url}/readyz`);
  assert.equal(broken.status, 200);
  const body = JSON.stringify(await broken.json());
  assert.match(body, /"degraded"/);
  assert.match(body, /Unknown field/);
  assert.match(body, /not in force as it stands: EgressPool\/a/);
});

test('a check that throws or hangs makes the pod unready instead of hanging the probe', async () => {
  const result = await readiness(
    [
      { name: 'throws', run: () => assert.fail('no store') },
      { name: 'hangs', run: () => new Promise(() => {}) },
      { name: 'late but good', run: async () => ({ status: 'ok', detail: 'fine' }) },
    ],
    20,
  );
  assert.equal(result.ready, false);
  assert.deepEqual(
    result.checks.map(({ status, detail }) => [status, detail]),
    [
      ['failing', 'no store'],
      ['failing', 'no answer within 20 ms'],
      ['ok', 'fine'],
    ],
  );
});

test('Prometheus reads the text format by its content type', async () => {
  const response = await fetch(`${await start([])}/metrics`);
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(await response.text(), 'up 1\n');
});

test('the queue view is bounded by limit, and a bad limit is refused with words', async () => {
  const url = await start([]);
  assert.deepEqual(await (await fetch(`${url}/queue?limit=2`)).json(), { entries: 45, lanes: [lane, lane] });
  assert.deepEqual(await (await fetch(`${url}/queue`)).json(), { entries: 45, lanes: [lane, lane, lane] });
  const refused = await fetch(`${url}/queue?limit=many`);
  assert.equal(refused.status, 400);
  assert.match(await refused.text(), /limit must be integer/);
  assert.equal((await fetch(`${url}/nothing`)).status, 404);
});

test('a failing view is an answer and a line in the log, not a crash', async () => {
  const url = await start([], true);
  logged.length = 0;
  assert.equal((await fetch(`${url}/metrics`)).status, 500);
  assert.deepEqual(logged, ['an admin request failed']);
});

test('a taken port stops the start with a cure', async () => {
  const url = new URL(await start([]));
  const address = { host: '127.0.0.1', port: Number(url.port) };
  const metrics = { contentType: 'text/plain', render: async () => '' };
  await assert.rejects(
    startAdminServer({
      address,
      checks: [],
      metrics,
      queue: () => ({ entries: 0, lanes: [] }),
      listing: () => [],
      logger,
    }),
    (error) =>
      error instanceof SluiceError &&
      error.code === 'SLUICE_LISTEN_FAILED' &&
      /EADDRINUSE/.test(error.message),
  );
});

test('a listing says how many rows there are and gives the first ones; a misspelt filter is refused, not ignored', async () => {
  const url = await start([]);
  const all = await fetch(`${url}/queue/list?by=Domain&limit=2`);
  assert.deepEqual(await all.json(), {
    by: 'Domain',
    total: 3,
    rows: [
      { ...ROW, domain: 'a.example' },
      { ...ROW, domain: 'b.example' },
    ],
    poisoned: 0,
  });
  const one = await fetch(`${url}/queue/list?by=Domain&domain=c.example`);
  const rows = [{ ...ROW, domain: 'c.example' }];
  assert.deepEqual(await one.json(), { by: 'Domain', total: 1, rows, poisoned: 0 });
  assert.equal((await fetch(`${url}/queue/list?by=Colour`)).status, 400);
  assert.equal((await fetch(`${url}/queue/list?domian=c.example`)).status, 400);
});

test('what others may reach shows probes and metrics, and lets nobody suspend mail or read the queue', async () => {
  const server = await startAdminServer({
    address: { host: '127.0.0.1', port: 0 },
    checks: [],
    metrics: { contentType: 'text/plain', render: () => Promise.resolve('up 1\n') },
    logger,
  });
  servers.push(server);
  const url = `http://127.0.0.1:${server.address.port}`;
  const status = async (path: string, method = 'GET') => (await fetch(`${url}${path}`, { method })).status;
  for (const path of ['/livez', '/readyz', '/metrics']) assert.equal(await status(path), 200, path);
  for (const path of ['/queue', '/queue/list', '/pod', '/directives'])
    assert.equal(await status(path), 404, path);
  assert.equal(await status('/directives', 'POST'), 404);
});
