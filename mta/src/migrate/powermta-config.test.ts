import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { powermtaConfig } from './powermta-config.ts';
import { policyIn, poolsIn, resourcesIn } from './translated.fixture.ts';

const SAMPLE = readFileSync(new URL('testdata/powermta.conf', import.meta.url), 'utf8');
const translated = powermtaConfig(SAMPLE, 'powermta.conf');

test('a sample with every directive becomes pools and a policy that are in force as they stand', () => {
  const [limit] = policyIn(translated).spec.default?.limits ?? [];
  assert.deepEqual(limit, {
    name: 'source-site',
    per: ['Source', 'Site'],
    connections: 20,
    recipientRate: '1000/h',
    connectionRate: '20/min',
    byteRate: '10485760/min',
  });
  const { session, retry, reactions } = policyIn(translated).spec.default ?? {};
  assert.deepEqual(retry, { delays: ['10m', '20m', '1h'], expireAfter: '108h' });
  assert.equal(session?.tls?.level, 'Opportunistic');
  assert.deepEqual(session?.timeouts, { connect: '2m', greeting: '5m', dataBlock: '3m', finalDot: '10m' });
  assert.deepEqual(reactions?.[0], {
    name: 'common-1',
    match: { codes: [421], enhancedCodes: ['4.7.28'] },
    actions: [
      {
        type: 'SetLimit',
        setLimit: { limitName: 'source-site', connections: 1, recipientRate: '60/h', for: '2h' },
      },
      { type: 'RetryAfter', retryAfter: { delay: '1h' } },
    ],
  });
});

test('a domain block refines the one for all, with the bounds of single virtual MTAs', () => {
  const destinations = policyIn(translated).spec.destinations ?? [];
  assert.deepEqual(
    destinations.map(({ name }) => name),
    ['free-example', 'gratis-example', 'strict-example', 'lazy-example'],
  );
  assert.deepEqual(destinations[0]?.limits?.[0], {
    name: 'source-site',
    per: ['Source', 'Site'],
    connections: 'Unlimited',
    recipientRate: '100/min',
    overrides: [{ name: 'mta1', when: { sources: ['mta1'] }, connections: 2 }],
  });
  assert.equal(destinations[0]?.session?.tls?.level, 'Encrypt');
});

test('a pattern list of its own takes the place of the one for all domains', () => {
  const strict = policyIn(translated).spec.destinations?.find(({ name }) => name === 'strict-example');
  assert.deepEqual(
    strict?.reactions?.map(({ name, state }) => `${name} ${state ?? 'Enabled'}`),
    ['strict-1 Enabled', 'common-1 Disabled', 'common-2 Disabled', 'common-3 Disabled', 'common-4 Disabled'],
  );
});

test('virtual MTAs become sources with their address and EHLO name, pools become pools', () => {
  const pools = poolsIn(translated).map(({ metadata, spec }) => [
    metadata.name,
    ...spec.sources.map(({ name, address, ehlo }) => `${name} ${address} ${ehlo}`),
  ]);
  assert.deepEqual(pools, [
    [
      'pool1',
      'mta1 192.0.2.1 out1.sender.example',
      'mta2 192.0.2.2 out2.sender.example',
      'mta2-2 2001:db8::2 out2.sender.example',
    ],
    ['lonely', 'lonely 192.0.2.4 out4.sender.example'],
  ]);
});

test('whoever migrates learns of everything that is lost, with its line', () => {
  const lost = translated.notTranslated.map(({ line, directive }) => `${line} ${directive}`);
  for (const expected of [
    '2 postmaster admin@sender.example',
    '6 <source 10.0.0.0/8>',
    '15 common: reply /(?=bad)/ mode=backoff',
    '28 connect-timeout',
    '35 auto-cold-virtual-mta',
    '44 smtp-source-host',
    '50 virtual-mta missing',
    '79 max-cold-virtual-mta-msg',
    '83 no-such-directive',
    '98 smtp-pattern-list nowhere',
    '99 max-smtp-out',
  ])
    assert.ok(lost.includes(expected), `${expected} is not in\n${lost.join('\n')}`);
  assert.equal(lost.length, 24, lost.join('\n'));
});

test('no text makes the translator throw, and what it writes is always accepted', () => {
  const lines = SAMPLE.split('\n');
  fc.assert(
    fc.property(fc.shuffledSubarray(lines), (some) => void resourcesIn(powermtaConfig(some.join('\n'), 'a'))),
    {
      numRuns: 150,
    },
  );
  const line = fc.oneof(fc.constantFrom(...lines), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(fc.array(line), (some) => void resourcesIn(powermtaConfig(some.join('\n'), 'a'))),
    { numRuns: 150 },
  );
});
