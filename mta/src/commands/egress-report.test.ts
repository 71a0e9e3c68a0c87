import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEgressReport, type SourceConfig } from '@sluice/crds';
import { WayHealth } from '../egress/mod.ts';
import { type Directive, DirectiveSet, directiveId } from '../react/mod.ts';
import { egressReport, reportEgress } from './egress-report.ts';

const suspend = (source: string, reason = 'reaction unusual-rate: 421 slow down'): Directive => {
  const [effect, selector] = [{ type: 'Suspend' }, { source, group: 'google' }] as const;
  const id = directiveId('Reaction', effect, selector);
  return { id, effect, selector, origin: 'Reaction', reason, createdAtMs: 0, expiresAtMs: 3_600_000 };
};

const source: SourceConfig = {
  name: 'ip-1',
  address: '192.0.2.10',
  ehlo: 'out.example',
  weight: 1,
  state: 'Active',
  labels: {},
  egress: {
    type: 'SOCKS5',
    socks5: { host: 'egress-a', port: 1080, dialect: 'Connect', tls: 'Disabled' },
  },
};

test('a report says what stops which mail, since when and how long, and is read as it was written', () => {
  const health = new WayHealth();
  health.failed(source, 'connection refused', 1_000);
  const report = egressReport(health.broken(1_000), [suspend('192.0.2.10')]);
  assert.deepEqual(report.unreachable, [
    {
      source: 'ip-1',
      address: '192.0.2.10',
      way: 'SOCKS5 egress-a:1080',
      since: '1970-01-01T00:00:01Z',
      reason: 'connection refused',
    },
  ]);
  assert.deepEqual(report.suspensions[0], {
    id: 'reaction suspend source=192.0.2.10,group=google',
    effect: 'Suspend',
    mail: 'source=192.0.2.10,group=google',
    source: '192.0.2.10',
    origin: 'Reaction',
    reason: 'reaction unusual-rate: 421 slow down',
    since: '1970-01-01T00:00:00Z',
    until: '1970-01-01T01:00:00Z',
  });
  assert.deepEqual(parseEgressReport(Buffer.from(JSON.stringify(report))), report);
});

test('whatever is wrong, a report stays small: NATS keeps it in memory for every pod', () => {
  const health = new WayHealth();
  for (let index = 0; index < 5_000; index++)
    health.failed({ ...source, name: `ip-${index}-${'n'.repeat(300)}` }, 'x'.repeat(5_000), 0);
  const directives = Array.from({ length: 1_000 }, (_, index) => suspend(`${index}`, 'y'.repeat(1_000)));
  const report = egressReport(health.broken(0), directives);
  assert.equal(report.unreachable.length + report.moreUnreachable, 5_000);
  assert.equal(report.suspensions.length + report.moreSuspensions, 1_000);
  const bytes = Buffer.from(JSON.stringify(report));
  assert.ok(bytes.length < 64 * 1024, `${bytes.length}`);
  assert.ok(parseEgressReport(bytes) !== undefined);
});

test('nothing is said twice, and a source that mends is said to work', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const health = new WayHealth();
  const said: string[] = [];
  let set = new DirectiveSet([], 0);
  const stop = reportEgress({
    health,
    directives: () => set,
    nowMs: () => 0,
    say: (bytes) => said.push(Buffer.from(bytes).toString()),
  });
  const counts = (): string => {
    t.mock.timers.tick(2_000);
    const last = parseEgressReport(Buffer.from(said.at(-1) ?? ''));
    return `${said.length}: ${last?.unreachable.length} ${last?.suspensions.length}`;
  };
  assert.equal(counts(), '1: 0 0');
  health.failed(source, 'connection refused', 0);
  assert.equal(counts(), '2: 1 0');
  health.failed(source, 'connection refused', 0);
  assert.equal(counts(), '2: 1 0');
  set = new DirectiveSet([suspend('192.0.2.10')], 0);
  assert.equal(counts(), '3: 1 1');
  health.worked(source);
  assert.equal(counts(), '4: 0 1');
  stop();
  health.failed(source, 'connection refused', 0);
  assert.equal(counts(), '4: 0 1');
});
