import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { adoptionDelayMs, fairShare, surplusSegments, writingSegments } from './adoption-choice.ts';
import { OwnSession } from './own-session.ts';
import { SessionWatch } from './session-watch.ts';

const at = (ms: number) => ({ monotonicMs: ms, wallMs: 1_780_000_000_000 + ms });

describe('the own session', () => {
  test('counts from when the acknowledged renewal was sent, and is over before anybody can call it dead', () => {
    const session = new OwnSession(at(0));
    session.renewed(at(4_000), at(9_000));
    assert.equal(session.standing(at(18_999)), 'valid');
    assert.equal(session.nextChangeAtMs(at(18_999)), 19_000);
    assert.equal(session.standing(at(19_000)), 'paused');
    assert.equal(session.standing(at(22_000)), 'over');
  });

  test('a renewal that is acknowledged too late brings nothing back', () => {
    const session = new OwnSession(at(0));
    session.renewed(at(17_000), at(18_500));
    assert.equal(session.standing(at(18_501)), 'over');
  });

  test('a machine that slept ends its session although its monotonic clock stood still', () => {
    const session = new OwnSession(at(0));
    assert.equal(session.standing({ monotonicMs: 1_000, wallMs: at(31_000).wallMs }), 'over');
    assert.equal(session.standing(at(1_001)), 'over');
  });
});

describe('the watch over other sessions', () => {
  test('a session is dead only when an own renewal sent 20 s after its last sign of life came back', () => {
    const watch = new SessionWatch();
    watch.began(0);
    watch.revision({ session: 'a', renewals: 1 }, 1_000);
    watch.revision({ session: 'a', renewals: 2 }, 5_000);
    // Read again after a reconnect: no sign of life.
    watch.revision({ session: 'a', renewals: 2 }, 20_000);
    assert.deepEqual(watch.echo(24_999, 24_999), []);
    assert.equal(watch.isSuspecting(24_999), true);
    assert.deepEqual(watch.echo(25_000, 25_000), ['a']);
    assert.equal(watch.isDead('a'), true);
    watch.revision({ session: 'a', renewals: 3 }, 26_000);
    assert.equal(watch.isDead('a'), true, 'death is final');
  });

  test('a former session of this process is dead at once, also when nobody ever said anything of it: its mail would wait 20 s', () => {
    const watch = new SessionWatch();
    watch.ended('own', 0);
    watch.expect('own', 10);
    assert.equal(watch.isDead('own'), true);
    assert.deepEqual(watch.living(), []);
  });

  test('a session that a journal named lives from its first sign of life on', () => {
    const watch = new SessionWatch();
    watch.expect('a', 0);
    assert.equal(watch.isLiving('a'), false);
    assert.equal(watch.revision({ session: 'a', renewals: 1 }, 10), true);
    assert.equal(watch.revision({ session: 'a', renewals: 2 }, 20), false);
    assert.equal(watch.isLiving('a'), true);
    assert.deepEqual(watch.living(), ['a']);
  });

  test('a death is known within seconds in a small cluster, and floods nothing in a large one', () => {
    for (const [sessions, everyMs] of [
      [10, 1_000],
      [200, 2_000],
      [1_000, 4_000],
    ] as const) {
      const watch = new SessionWatch();
      for (let each = 0; each < sessions; each++) watch.revision({ session: `${each}`, renewals: 1 }, 0);
      assert.equal(watch.renewEveryMs(1_000), 4_000);
      assert.equal(watch.renewEveryMs(9_000), everyMs);
      for (let each = 1; each < sessions; each++) watch.revision({ session: `${each}`, renewals: 2 }, 9_000);
      assert.equal(watch.renewEveryMs(9_100), everyMs, 'one is silent still');
      watch.revision({ session: '0', renewals: 2 }, 9_200);
      assert.equal(watch.renewEveryMs(9_300), 4_000);
    }
  });

  test('a watch that is behind kills nobody: without the own renewal there is no proof of silence', () => {
    const watch = new SessionWatch();
    watch.began(0);
    watch.revision({ session: 'a', renewals: 1 }, 0);
    // The process was stopped for a minute; its last renewal was sent before.
    assert.deepEqual(watch.echo(4_000, 64_000), []);
    watch.revision({ session: 'a', renewals: 9 }, 64_000);
    assert.deepEqual(watch.echo(65_000, 65_000), []);
    assert.equal(watch.isDead('a'), false);
  });

  test('a watch that begins anew proves nothing before it has given all last values', () => {
    const watch = new SessionWatch();
    watch.began(0);
    watch.revision({ session: 'a', renewals: 1 }, 1_000);
    watch.interrupted();
    // Own values come first, by chance.
    assert.deepEqual(watch.echo(40_000, 40_100), []);
    watch.revision({ session: 'a', renewals: 10 }, 40_100);
    watch.began(40_100);
    assert.deepEqual(watch.echo(40_050, 40_200), []);
    assert.deepEqual(watch.echo(60_099, 60_100), []);
    assert.deepEqual(watch.echo(60_100, 60_101), ['a']);
  });

  test('a session that only a journal names dies like any other; one that says that it ends is dead at once', () => {
    const watch = new SessionWatch();
    watch.began(0);
    watch.expect('a', 0);
    watch.revision({ session: 'b', renewals: 1 }, 0);
    assert.deepEqual(watch.living(), ['b']);
    watch.ended('b', 0);
    assert.equal(watch.isDead('b'), true);
    assert.deepEqual(watch.echo(20_000, 20_000), ['a']);
  });
});

describe('the choice of who adopts what', () => {
  const pods = ['01A', '01B', '01C', '01D', '01E'];

  test('every segment has one pod whose turn is first, and each pod about its share', () => {
    const first = new Map(pods.map((pod) => [pod, 0]));
    for (let segment = 0; segment < 256; segment++) {
      const delays = pods.map((pod) => adoptionDelayMs(segment, pod, pods, 0));
      assert.deepEqual(
        delays.toSorted((a, b) => a - b),
        [0, 200, 400, 600, 800],
      );
      const winner = pods[delays.indexOf(0)]!;
      first.set(winner, first.get(winner)! + 1);
    }
    for (const [pod, count] of first) assert.ok(count > 30 && count < 75, `${pod}: ${count}`);
  });

  test('a pod that owns its share lets the others go first', () => {
    for (let segment = 0; segment < 20; segment++)
      assert.ok(adoptionDelayMs(segment, '01A', pods, 52) >= 1_000);
    assert.equal(fairShare(5), 52);
    assert.equal(writingSegments(3), 4);
    assert.equal(writingSegments(100), 2);
    assert.equal(writingSegments(1_000), 1);
  });

  test('what is too much is given up, idle segments first, never those that take new mail', () => {
    const owned = [
      { segment: 1, messages: 0, writing: true },
      { segment: 2, messages: 50, writing: false },
      { segment: 3, messages: 0, writing: false },
      { segment: 4, messages: 7, writing: false },
    ];
    assert.deepEqual(surplusSegments(owned, 2, 8, 4), [3, 4]);
    assert.deepEqual(surplusSegments(owned, 2, 1, 4), [3]);
    assert.deepEqual(surplusSegments(owned, 1, 8, 4), []);
  });
});
