import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SluiceError } from '@sluice/crds';
import { TargetFailure } from '../egress/mod.ts';
import { connectFailure } from './connect-failure.ts';

const options = { hostName: 'mx.example', address: '192.0.2.1', port: 25 };
const target = { address: '192.0.2.1', port: 25 };
const proxy = 'egress-a.mail.svc:1080 (10.0.0.7)';
const broken = new SluiceError('SLUICE_EGRESS_PROXY_UNREACHABLE', {
  source: 'ip-1',
  proxy,
  reason: 'no answer in time',
});

for (const [title, error, timedOut, expected] of [
  [
    'a host that refuses behind a proxy is one that refuses, and the way is told',
    new TargetFailure('ECONNREFUSED', target, proxy),
    false,
    [
      'refused',
      '4.4.1',
      true,
      `connect to mx.example[192.0.2.1]:25 through proxy ${proxy}: connection refused`,
    ],
  ],
  [
    'a host that is silent behind a proxy costs a timeout, whoever noticed it',
    new TargetFailure('ETIMEDOUT', target, proxy),
    true,
    [
      'timeout',
      '4.4.1',
      true,
      `connect to mx.example[192.0.2.1]:25 through proxy ${proxy}: no answer in time`,
    ],
  ],
  [
    'a host without a route from the proxy is unreachable',
    new TargetFailure('ENETUNREACH', target, proxy),
    false,
    [
      'unreachable',
      '4.4.1',
      true,
      `connect to mx.example[192.0.2.1]:25 through proxy ${proxy}: no route (ENETUNREACH)`,
    ],
  ],
  [
    'a proxy that is silent is our own trouble although the connect timeout is over: the host is not to blame',
    broken,
    true,
    [
      'local',
      '4.3.5',
      false,
      `connect to mx.example[192.0.2.1]:25: Source "ip-1" cannot connect: proxy ${proxy}: no answer in time.`,
    ],
  ],
] as const) {
  test(title, () => {
    const { cause, reply, tryNextHost, permanent } = connectFailure(error, timedOut, options);
    assert.deepEqual([cause, reply.enhanced, tryNextHost, reply.text], expected);
    assert.equal(permanent, false);
  });
}
