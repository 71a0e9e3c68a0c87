import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { canonicalJson } from './canonical-json.ts';
import { isDomainName, longestSuffix } from './domain-name.ts';
import { formatDuration, parseDuration } from './duration.ts';
import { canonicalAddress } from './ip-address.ts';
import { nearestName } from './nearest-name.ts';
import { formatRate, parseRate, slowerRate } from './rate.ts';

test('a duration is what GEP-2257 says it is', () => {
  const right = {
    '1h30m': 5_400_000,
    '10m': 600_000,
    '500ms': 500,
    '1m1ms': 60_001,
    '0s': 0,
    '99999h': 359_996_400_000,
    '1h1m1s1ms': 3_661_001,
  };
  for (const [text, ms] of Object.entries(right)) assert.equal(parseDuration(text), ms, text);
  for (const text of ['', '10', '1d', '1.5h', '-1s', '1 h', '100000s', '1h1h1h1h1h', '10M', '1us', ' 1s']) {
    assert.equal(parseDuration(text), undefined, text);
  }
});

test('what Sluice writes as a duration or a rate, Sluice reads', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 359_999_999_999 }), (ms) =>
      assert.equal(parseDuration(formatDuration(ms)), ms),
    ),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e9 }), fc.constantFrom('s', 'min', 'h', 'd'), (count, period) => {
      const rate = parseRate(`${count}/${period}`);
      assert.ok(rate);
      assert.equal(formatRate(rate), `${count}/${period}`);
    }),
  );
});

test('a rate is a whole number of one period, never rounded', () => {
  assert.deepEqual(parseRate('104857600/s'), { count: 104_857_600, periodMs: 1_000 });
  assert.deepEqual(parseRate('1/d'), { count: 1, periodMs: 86_400_000 });
  for (const text of ['0/s', '1/m', '1.5/s', '1', '/s', '1/ s', '1/sec', '01/s', '10Mi/s', '1/min/s'])
    assert.equal(parseRate(text), undefined, text);
});

test('100/min is slower than 2/s, and faster than 1/s', () => {
  const rates = {
    a: { count: 100, periodMs: 60_000 },
    b: { count: 2, periodMs: 1_000 },
    c: { count: 1, periodMs: 1_000 },
  };
  assert.equal(slowerRate(rates.a, rates.b), rates.a);
  assert.equal(slowerRate(rates.a, rates.c), rates.c);
});

test('one address has one form, so that it has one counter', () => {
  const right = {
    '192.0.2.10': '192.0.2.10',
    '2001:DB8:0:0:0:0:0:1': '2001:db8::1',
    '2001:db8::0001': '2001:db8::1',
    '::1': '::1',
  };
  for (const [text, address] of Object.entries(right)) assert.equal(canonicalAddress(text), address, text);
  for (const text of [
    '192.0.2.010',
    '192.0.2',
    'localhost',
    '',
    '0.0.0.0',
    '::',
    '::ffff:192.0.2.1',
    'fe80::1%eth0',
    '192.0.2.1/32',
  ]) {
    assert.equal(canonicalAddress(text), undefined, text);
  }
});

test('a suffix is whole labels: evil-google.com is not google.com', () => {
  const suffixes = new Map([
    ['google.com', 1],
    ['mail.google.com', 2],
  ]);
  assert.equal(longestSuffix('a.mail.google.com', suffixes), 2);
  assert.equal(longestSuffix('google.com', suffixes), 1);
  assert.equal(longestSuffix('evil-google.com', suffixes), undefined);
  assert.equal(longestSuffix('com', suffixes), undefined);
});

test('a domain name is one that can be looked up', () => {
  for (const name of ['example.com', 'com', 'a_b.example', 'xn--bcher-kva.example', '1.2'])
    assert.ok(isDomainName(name), name);
  for (const name of [
    '',
    '.',
    'a..b',
    '-a.example',
    'a-.example',
    'A.example',
    'a.example.',
    `${'a'.repeat(64)}.example`,
    'a b',
    `${'a.'.repeat(127)}ab`,
  ]) {
    assert.ok(!isDomainName(name), name);
  }
});

test('equal values have one text, so that pods agree whether a configuration changed', () => {
  assert.equal(
    canonicalJson({ b: [1, 'é"\n'], a: { d: undefined, c: null }, Z: true }),
    '{"Z":true,"a":{"c":null},"b":[1,"é\\"\\n"]}',
  );
  fc.assert(
    fc.property(fc.jsonValue(), (value) =>
      assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value))),
    ),
  );
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, () => 0, 1n, [undefined]])
    assert.throws(() => canonicalJson(value), TypeError);
});

test('a mistyped name finds the one that was meant, and only a near one', () => {
  const known = ['sources', 'selection', 'match', 'egress'];
  const near = {
    sorces: 'sources',
    Sources: 'sources',
    source: 'sources',
    slection: 'selection',
    mtach: 'match',
    egres: 'egress',
  };
  for (const [given, meant] of Object.entries(near)) assert.equal(nearestName(given, known), meant, given);
  for (const given of ['limits', 'x', '', 'weight'])
    assert.equal(nearestName(given, known), undefined, given);
});
