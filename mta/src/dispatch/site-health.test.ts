import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { FIRST_SITE_PAUSE_MS, HEALTHY, MAX_SITE_PAUSE_MS, mayConnect, siteFailed } from './site-health.ts';
import { SitePause } from './site-pause.ts';

test('a site that stays down is probed ever more rarely, but at least every quarter of an hour', () => {
  let health = HEALTHY;
  const pausesMs: number[] = [];
  for (let failure = 0; failure < 9; failure++) {
    health = siteFailed(health, 1_000);
    pausesMs.push(health.pausedUntilMs - 1_000);
  }
  assert.deepEqual(
    pausesMs.slice(0, 3),
    [1, 2, 4].map((times) => times * FIRST_SITE_PAUSE_MS),
  );
  assert.equal(pausesMs.at(-1), MAX_SITE_PAUSE_MS);
  assert.ok(mayConnect(health, 1_000 + MAX_SITE_PAUSE_MS) && !mayConnect(health, MAX_SITE_PAUSE_MS));
});

test('a timer that rings a moment before the clock says so does not leave the lane paused for ever', (context) => {
  mock.timers.enable({ apis: ['setTimeout'] });
  context.after(() => mock.timers.reset());
  let nowMs = 0;
  let over = 0;
  const pause = new SitePause({ nowMs: () => nowMs }, () => over++);
  pause.failed();
  nowMs = FIRST_SITE_PAUSE_MS - 0.6;
  mock.timers.tick(FIRST_SITE_PAUSE_MS);
  assert.equal(over, 0);
  assert.ok(pause.paused);
  nowMs = FIRST_SITE_PAUSE_MS + 0.4;
  mock.timers.tick(1);
  assert.equal(over, 1);
  assert.ok(!pause.paused);
});

test('after a failure a greeting alone does not open the gates: some hosts greet and refuse every message', () => {
  const pause = new SitePause({ nowMs: () => 0 }, () => {});
  pause.greeted();
  assert.ok(pause.answers, 'a site with no bad record gets all connections at once');
  pause.failed();
  pause.greeted();
  assert.ok(!pause.answers);
  pause.worked();
  assert.ok(pause.answers);
  assert.equal(pause.health, HEALTHY);
  pause.stop();
});
