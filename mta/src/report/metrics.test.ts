import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Problem } from '../config/mod.ts';
import { EgressCounterSet } from './egress-counters.ts';
import { METRICS } from './metric-table.ts';
import { createMetrics } from './metrics.ts';

/** Value of one exposed series; `undefined` when it is not exposed. */
function seriesValue(text: string, series: string): number | undefined {
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

test('what was accepted and refused is what Prometheus reads, also at the second scrape', async () => {
  const metrics = createMetrics();
  metrics.accepted(3, 2048);
  metrics.accepted(1, 100);
  metrics.rejected(552);
  metrics.rejected(452);
  metrics.rejected(452);
  metrics.clientConnected();
  metrics.clientConnected();
  metrics.clientDisconnected();
  metrics.spoolRefused('full');
  metrics.limitWaited('source-site');
  await metrics.render();
  const text = await metrics.render();
  assert.equal(seriesValue(text, 'sluice_accepted_messages_total'), 2);
  assert.equal(seriesValue(text, 'sluice_accepted_recipients_total'), 4);
  assert.equal(seriesValue(text, 'sluice_accepted_bytes_total'), 2148);
  assert.equal(seriesValue(text, 'sluice_rejections_total{code="452"}'), 2);
  assert.equal(seriesValue(text, 'sluice_rejections_total{code="552"}'), 1);
  assert.equal(seriesValue(text, 'sluice_client_connections'), 1);
  assert.equal(seriesValue(text, 'sluice_client_connections_opened_total'), 2);
  assert.equal(seriesValue(text, 'sluice_spool_refusals_total{reason="full"}'), 1);
  assert.equal(seriesValue(text, 'sluice_limit_waits_total{limit="source-site"}'), 1);
  metrics.close();
});

test('outcomes are told apart by pool, source and group', async () => {
  const metrics = createMetrics();
  const google = metrics.egress('shared', 'ip-1', 'google');
  google.delivered += 5;
  google.connections += 2;
  google.connections -= 1;
  metrics.egress('shared', 'ip-1', 'google').deferred += 1;
  metrics.egress('shared', 'ip-2', '').bounced += 1;
  const text = await metrics.render();
  const labels = 'pool="shared",source="ip-1",group="google"';
  assert.equal(seriesValue(text, `sluice_recipient_outcomes_total{outcome="delivered",${labels}}`), 5);
  assert.equal(seriesValue(text, `sluice_recipient_outcomes_total{outcome="deferred",${labels}}`), 1);
  assert.equal(seriesValue(text, `sluice_connections{${labels}}`), 1);
  assert.equal(
    seriesValue(
      text,
      'sluice_recipient_outcomes_total{outcome="bounced",pool="shared",source="ip-2",group=""}',
    ),
    1,
  );
  metrics.close();
});

test('a flood of pools and sources cannot grow the scrape without end', () => {
  const set = new EgressCounterSet(2);
  const first = set.of('a', 's', 'g');
  set.of('b', 's', 'g');
  const late = set.of('c', 's', 'g');
  assert.equal(late.pool, 'other');
  assert.equal(set.of('d', 's', 'g'), late);
  assert.equal(set.of('a', 's', 'g'), first, 'those seen before keep their own series');
  assert.equal([...set].length, 3);
});

test('gauges show nothing until their room is there, and then what it says now', async () => {
  const metrics = createMetrics();
  const before = await metrics.render();
  for (const name of ['sluice_config_last_reload_success', 'sluice_queue_lanes', 'sluice_spool_messages']) {
    assert.equal(seriesValue(before, name), undefined, name);
  }
  const config = { formatVersion: 1, hash: 'abc', pools: [], matches: [], policies: [] } as const;
  const problem: Problem = {
    code: 'SLUICE_FIELD_UNKNOWN',
    file: 'a.yaml',
    field: '',
    what: 'broken',
    cure: 'mend it',
  };
  let ready = 7;
  metrics.watch({
    queue: () => ({
      ready,
      sleeping: 1,
      scheduled: 2,
      held: 1,
      inFlight: 3,
      lanes: 4,
      oldestAgeMs: 1500,
      reportsOwed: 0,
    }),
    spool: () => ({ messages: 10, usedBytes: 20, freeBytes: 30 }),
  });
  metrics.watch({
    config: () => ({
      hash: 'abc',
      loadedAtMs: 2_000,
      ok: false,
      problems: [problem],
      refused: [],
      warnings: [],
      config,
    }),
    eventsDropped: () => 9,
  });
  await metrics.render();
  ready = 8;
  const text = await metrics.render();
  assert.equal(seriesValue(text, 'sluice_queue_entries{state="ready"}'), 8);
  assert.equal(seriesValue(text, 'sluice_queue_entries{state="in-flight"}'), 3);
  assert.equal(seriesValue(text, 'sluice_queue_oldest_age_seconds'), 1.5);
  assert.equal(seriesValue(text, 'sluice_spool_free_bytes'), 30);
  assert.equal(seriesValue(text, 'sluice_config_info{hash="abc"}'), 1);
  assert.equal(seriesValue(text, 'sluice_config_loaded_timestamp_seconds'), 2);
  assert.equal(seriesValue(text, 'sluice_config_last_reload_success'), 0);
  assert.equal(seriesValue(text, 'sluice_config_problems'), 1);
  assert.equal(seriesValue(text, 'sluice_events_dropped_total'), 9);
  metrics.close();
});

test('times land in seconds, in the bucket that holds them', async () => {
  const metrics = createMetrics();
  metrics.deliveryAge(300);
  metrics.transactionDuration(4);
  metrics.spoolAppended(3);
  const text = await metrics.render();
  assert.equal(seriesValue(text, 'sluice_delivery_age_seconds_sum'), 0.3);
  assert.equal(seriesValue(text, 'sluice_delivery_age_seconds_bucket{le="0.25"}'), 0);
  assert.equal(seriesValue(text, 'sluice_delivery_age_seconds_bucket{le="0.5"}'), 1);
  assert.equal(seriesValue(text, 'sluice_transaction_duration_seconds_bucket{le="0.005"}'), 1);
  assert.equal(seriesValue(text, 'sluice_spool_append_duration_seconds_count'), 1);
  metrics.close();
});

test('a blocked event loop shows, an idle one does not', async () => {
  const metrics = createMetrics();
  const tick = () => new Promise((resolve) => setTimeout(resolve, 50));
  await metrics.render();
  await tick();
  const until = performance.now() + 150;
  while (performance.now() < until);
  await tick();
  const lag = seriesValue(await metrics.render(), 'sluice_event_loop_lag_seconds{quantile="1"}') ?? 0;
  assert.ok(lag > 0.1, `lag ${lag}`);
  metrics.close();
});

test('every name of the table is exposed, so no dashboard waits for a metric that is never filled', async () => {
  const metrics = createMetrics();
  const text = await metrics.render();
  for (const { name, type } of Object.values(METRICS))
    assert.ok(text.includes(`# TYPE ${name} ${type}\n`), name);
  const exposed = text.match(/^# TYPE /gm)?.length;
  assert.equal(exposed, Object.keys(METRICS).length);
  metrics.close();
});
