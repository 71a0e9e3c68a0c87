import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError, type SourceConfig } from '@sluice/crds';
import type { Dial } from './dial.ts';
import { WayHealth, watchedDial } from './way-health.ts';

const source = (name: string, address = '192.0.2.10'): SourceConfig => ({
  name,
  address,
  ehlo: 'out.example',
  weight: 1,
  state: 'Active',
  labels: {},
  egress: { type: 'Bind', bind: { address } },
});
const broken = new SluiceError('SLUICE_EGRESS_ADDRESS_MISSING', { address: '192.0.2.10', source: 'ip-1' });
const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });

test('a source that cannot connect is told with the time of its first failure, until it works: who reads the status looks at the right proxy', async () => {
  const health = new WayHealth();
  let nowMs = 1_000;
  let outcome: unknown = broken;
  const dial: Dial = watchedDial(
    () => Promise.reject(outcome),
    health,
    () => nowMs,
  );
  const attempt = (signal = new AbortController().signal) =>
    dial(source('ip-1'), { address: '127.0.0.1', port: 25 }, 1_000, signal).catch(() => undefined);
  await attempt();
  nowMs = 2_000;
  await attempt();
  const [first, ...more] = health.broken(nowMs);
  assert.deepEqual(more, []);
  assert.equal(first?.sinceMs, 1_000);
  assert.equal(first?.way, 'Bind 192.0.2.10');
  assert.match(first?.reason ?? '', /192\.0\.2\.10/);
  const version = health.version;
  outcome = new Error('given up');
  await attempt(AbortSignal.abort());
  assert.equal(health.broken(nowMs).length, 1, 'who gives up learnt nothing');
  outcome = refused;
  await attempt();
  assert.deepEqual(health.broken(nowMs), [], 'the host was reached: the way works');
  assert.ok(health.version > version);
});

test('a source that nobody uses any more is not told for ever, and a proxy with a million sources costs no memory without end', () => {
  const health = new WayHealth();
  for (let index = 0; index < 12_000; index++) health.failed(source(`ip-${index}`), 'refused', 0);
  assert.equal(health.broken(0).length, 10_000);
  health.failed(source('ip-7'), 'refused', 900_000);
  assert.deepEqual(
    health.broken(900_001).map((way) => way.source),
    ['ip-7'],
  );
});
