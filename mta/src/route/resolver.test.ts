import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FoundNothing, FoundRecords } from './dns-message.ts';
import {
  DOUBT_MS,
  FAILURE_TTL_MS,
  MAX_NEGATIVE_TTL_MS,
  MAX_STALE_MS,
  MAX_TTL_MS,
  MIN_NEGATIVE_TTL_MS,
  MIN_TTL_MS,
  Resolver,
  type ResolverOptions,
  STALE_RECHECK_MS,
} from './resolver.ts';

type Reply = Awaited<ReturnType<ResolverOptions['query']>>;

/** A resolver whose servers say what `reply` is at that moment. */
function bench(reply: Reply) {
  const state = { reply, nowMs: 1_000, asked: 0 };
  const resolver = new Resolver({
    query: async () => {
      state.asked++;
      return state.reply;
    },
    nowMs: () => state.nowMs,
  });
  return { state, resolver };
}

const found = (ttlSeconds: number): FoundRecords => ({
  kind: 'records',
  name: 'mx.example',
  exchanges: [],
  addresses: ['192.0.2.1'],
  ttlSeconds,
});
const nothing = (kind: FoundNothing['kind'], ttlSeconds?: number): FoundNothing => ({
  kind,
  name: 'mx.example',
  ttlSeconds,
});
const SERVFAIL: Reply = { kind: 'failure', reason: 'SERVFAIL' };

test('answers are used for their TTL, within floor and ceiling', async () => {
  for (const [reply, lifeMs] of [
    [found(600), 600_000],
    [found(0), MIN_TTL_MS],
    [found(10 ** 9), MAX_TTL_MS],
    [nothing('no-name', 60), 60_000],
    [nothing('no-data'), MIN_NEGATIVE_TTL_MS],
    [nothing('no-data', 10 ** 6), MAX_NEGATIVE_TTL_MS],
    [SERVFAIL, FAILURE_TTL_MS],
  ] as const) {
    const { state, resolver } = bench(reply);
    const first = await resolver.lookup('mx.example', 'A');
    state.nowMs += lifeMs - 1;
    assert.equal(await resolver.lookup('mx.example', 'A'), first);
    assert.equal(state.asked, 1);
    state.nowMs += 1;
    await resolver.lookup('mx.example', 'A');
    assert.equal(state.asked, 2, `life of ${JSON.stringify(reply)}`);
  }
});

test('look-ups that overlap share one query; other types do not', async () => {
  const { state, resolver } = bench(found(60));
  const lookups = Array.from({ length: 50 }, () => resolver.lookup('mx.example', 'A'));
  lookups.push(resolver.lookup('mx.example', 'AAAA'));
  await Promise.all(lookups);
  assert.equal(state.asked, 2);
});

test('mail flows on with the last answer while all DNS servers fail, for a day', async () => {
  const { state, resolver } = bench(found(60));
  const { answer } = await resolver.lookup('mx.example', 'A');
  state.reply = SERVFAIL;
  state.nowMs += 60_000;
  assert.equal((await resolver.lookup('mx.example', 'A')).answer, answer);
  await resolver.lookup('mx.example', 'A');
  assert.equal(state.asked, 2, 'the servers are not asked at every look-up');
  state.nowMs += STALE_RECHECK_MS;
  assert.equal((await resolver.lookup('mx.example', 'A')).answer, answer);
  assert.equal(state.asked, 3);
  state.nowMs += MAX_STALE_MS;
  assert.deepEqual((await resolver.lookup('mx.example', 'A')).answer, SERVFAIL);
});

test('that a name does not exist is never believed past its time', async () => {
  const { state, resolver } = bench(nothing('no-name', 60));
  await resolver.lookup('mx.example', 'A');
  state.reply = SERVFAIL;
  state.nowMs += 60_000;
  assert.deepEqual((await resolver.lookup('mx.example', 'A')).answer, SERVFAIL);
});

test('a refresh ahead asks again before the end, and keeps the answer when it fails', async () => {
  const { state, resolver } = bench(found(60));
  const { answer } = await resolver.lookup('mx.example', 'A');
  state.nowMs += 45_000;
  state.reply = SERVFAIL;
  const refreshed = await resolver.lookup('mx.example', 'A', 15_000);
  assert.equal(state.asked, 2);
  assert.equal(refreshed.answer, answer);
});

test('CNAMEs are followed from zone to zone; loops end', async () => {
  const targets: Record<string, Reply> = {
    'a.example': { kind: 'alias', target: 'b.example', ttlSeconds: 40 },
    'b.example': { kind: 'alias', target: 'mx.example', ttlSeconds: 90 },
    'mx.example': found(600),
    'loop.example': { kind: 'alias', target: 'loop.example', ttlSeconds: 90 },
  };
  let asked = 0;
  const resolver = new Resolver({
    query: async ({ name }) => {
      asked++;
      return targets[name] ?? SERVFAIL;
    },
    nowMs: () => 0,
  });
  const { answer, expiresAtMs } = await resolver.lookup('a.example', 'A');
  assert.ok(answer.kind === 'records');
  assert.equal(answer.name, 'mx.example');
  assert.equal(expiresAtMs, 40_000);
  asked = 0;
  assert.deepEqual((await resolver.lookup('loop.example', 'A')).answer, {
    kind: 'failure',
    reason: 'a CNAME loop',
  });
  assert.ok(asked < 12, `${asked} queries`);
});

test('ten thousand new domains do not open ten thousand sockets', async () => {
  let inFlight = 0;
  let peak = 0;
  const resolver = new Resolver({
    query: async () => {
      peak = Math.max(peak, ++inFlight);
      await new Promise(setImmediate);
      inFlight--;
      return found(60);
    },
    nowMs: () => 0,
    maxInFlight: 8,
  });
  await Promise.all(
    Array.from({ length: 1_000 }, (_, number) => resolver.lookup(`d${number}.example`, 'MX')),
  );
  assert.equal(peak, 8);
});

test('nothing without proof is doubtful for ten minutes, and does not replace what was known', async () => {
  for (const kind of ['no-name', 'no-data'] as const) {
    const { state, resolver } = bench(nothing(kind));
    assert.equal((await resolver.lookup('new.example', 'MX')).doubtful, true);
    state.nowMs += DOUBT_MS - 1;
    assert.equal((await resolver.lookup('new.example', 'MX')).doubtful, true);
    state.nowMs += MAX_NEGATIVE_TTL_MS;
    assert.equal((await resolver.lookup('new.example', 'MX')).doubtful, false);

    state.reply = found(60);
    const { answer } = await resolver.lookup('known.example', 'MX');
    state.reply = nothing(kind);
    state.nowMs += 60_000;
    const kept = await resolver.lookup('known.example', 'MX');
    assert.deepEqual([kept.answer, kept.doubtful], [answer, true]);
    state.nowMs += DOUBT_MS;
    assert.equal((await resolver.lookup('known.example', 'MX')).answer.kind, kind);
  }
});

test('a resolver that comes back to its senses is believed at once, and its next lapse is doubted anew', async () => {
  const { state, resolver } = bench(nothing('no-name'));
  await resolver.lookup('mx.example', 'A');
  state.reply = found(60);
  state.nowMs += DOUBT_MS;
  assert.equal((await resolver.lookup('mx.example', 'A')).doubtful, false);
  state.reply = nothing('no-name');
  state.nowMs += 60_000;
  assert.equal((await resolver.lookup('mx.example', 'A')).doubtful, true);
});

test('behind an alias nothing without proof is doubtful too', async () => {
  const resolver = new Resolver({
    query: async ({ name }) =>
      name === 'a.example' ? { kind: 'alias', target: 'mx.example', ttlSeconds: 60 } : nothing('no-name'),
    nowMs: () => 0,
  });
  assert.equal((await resolver.lookup('a.example', 'MX')).doubtful, true);
});

test('with proof nothing is believed at once; past its time it is doubtful', async () => {
  const { state, resolver } = bench(nothing('no-data', 60));
  assert.equal((await resolver.lookup('mx.example', 'MX')).doubtful, false);
  state.reply = SERVFAIL;
  state.nowMs += 60_000;
  const { answer, doubtful } = await resolver.lookup('mx.example', 'MX');
  assert.deepEqual([answer.kind, doubtful], ['no-data', true]);
});

test('a flood of unknown domains does not push out the domains in use', async () => {
  let asked = 0;
  const resolver = new Resolver({
    query: async ({ name }) => {
      if (name === 'hot.example') asked++;
      return name === 'hot.example' ? found(3_600) : nothing('no-name', 60);
    },
    nowMs: () => 0,
    maxAnswers: 50,
  });
  for (let number = 0; number < 2_000; number++) {
    await resolver.lookup(`unknown-${number}.example`, 'MX');
    if (number % 20 === 0) await resolver.lookup('hot.example', 'MX');
  }
  assert.equal(asked, 1);
});

test('look-ups that wait are bounded: more fail for the moment, and none hangs', async () => {
  const answers: ((reply: Reply) => void)[] = [];
  const resolver = new Resolver({
    query: () => new Promise((answer) => answers.push(answer)),
    nowMs: () => 0,
    maxInFlight: 2,
    maxWaiting: 3,
  });
  const lookups = Array.from({ length: 7 }, (_, number) => resolver.lookup(`d${number}.example`, 'MX'));
  for (const turnedAway of lookups.slice(5)) {
    assert.equal((await turnedAway).answer.kind, 'failure');
  }
  for (let served = 0; served < 5; served++) {
    while (answers.length === 0) await new Promise(setImmediate);
    answers.shift()?.(found(60));
  }
  for (const served of lookups.slice(0, 5)) assert.equal((await served).answer.kind, 'records');
});
