import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRate } from '@sluice/crds';
import fc from 'fast-check';
import { countOf, durationOf, rateOf, thresholdOf } from './quantity.ts';

test('durations of other systems keep their length', () => {
  const given = [
    60,
    '60',
    '60s',
    '5 mins',
    '1 hour 30m',
    '4d12h',
    '3 days',
    '1w',
    '0s',
    '',
    'soon',
    '5 fortnights',
    -1,
    {},
  ];
  assert.deepEqual(given.map(durationOf), [
    '1m',
    '1m',
    '1m',
    '5m',
    '1h30m',
    '108h',
    '72h',
    '168h',
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('rates of other systems keep their speed', () => {
  const given = [
    '100/min',
    '1,000/hr',
    '10_000/h',
    '100/5m',
    '1/7s',
    '10M/m',
    '5/d',
    '1/2d',
    '0/s',
    '1/s/s',
    '5',
    '1/0m',
  ];
  assert.deepEqual(given.map(rateOf), [
    '100/min',
    '1000/h',
    '10000/h',
    '20/min',
    '12342/d',
    '10485760/min',
    '5/d',
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

test('no rate is translated to a faster one', () => {
  const unit = fc.constantFrom<readonly [string, number]>(
    ['s', 1_000],
    ['m', 60_000],
    ['h', 3_600_000],
    ['d', 86_400_000],
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e6 }),
      fc.integer({ min: 1, max: 999 }),
      unit,
      (count, every, [name, ms]) => {
        const rate = parseRate(rateOf(`${count}/${every}${name}`) ?? '1/d');
        assert.ok(rate !== undefined);
        if (rateOf(`${count}/${every}${name}`) !== undefined)
          assert.ok(rate.count * every * ms <= count * rate.periodMs);
      },
    ),
  );
});

test('counts and thresholds are whole numbers from 1', () => {
  assert.deepEqual(['10', '10,000', 7, 0, -1, 1.5, '1e3', true].map(countOf), [
    10,
    10_000,
    7,
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assert.deepEqual(thresholdOf('2/hr'), { count: 2, within: '1h' });
  assert.deepEqual(thresholdOf('5/30m'), { count: 5, within: '30m' });
  assert.equal(thresholdOf('many'), undefined);
});
