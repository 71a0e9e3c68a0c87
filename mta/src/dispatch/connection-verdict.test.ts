import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ConnectionVerdict, connectionVerdict } from './connection-verdict.ts';

const reply = { code: 421, enhanced: '', text: '', host: '' };
const alone = { sourceConnected: false, siteConnected: false, alternative: false, proxyInDoubt: false };
const noRoute = (cause: 'OtherFamily' | 'DnsFailure') =>
  ({ kind: 'transient', cause, domain: 'a.example', reply }) as const;

const cases: readonly [string, Parameters<typeof connectionVerdict>, ConnectionVerdict][] = [
  ['the last source that is refused means that the site is down', [{ cause: 'reply' }, alone], 'SiteDown'],
  [
    'a source that is refused by name leaves its mail to another one',
    [{ cause: 'reply' }, { ...alone, alternative: true }],
    'SourceRefused',
  ],
  [
    'a silent host is silent to every source: they need not all try',
    [{ cause: 'timeout' }, { ...alone, alternative: true }],
    'SiteDown',
  ],
  [
    'a host that is silent behind a HAProxy may be well: another source tries before mail is charged with an attempt',
    [{ cause: 'closed' }, { ...alone, alternative: true, proxyInDoubt: true }],
    'SourceRefused',
  ],
  [
    'silence behind the last HAProxy is an attempt',
    [{ cause: 'closed' }, { ...alone, proxyInDoubt: true }],
    'SiteDown',
  ],
  [
    'a source that gets nothing while others deliver is the one to rest',
    [{ cause: 'timeout' }, { ...alone, siteConnected: true, alternative: true }],
    'SourceRefused',
  ],
  [
    'one connection too many does not stop those that work',
    [{ cause: 'reply' }, { ...alone, sourceConnected: true, siteConnected: true, alternative: true }],
    'EnoughConnections',
  ],
  [
    'an address that is not on this machine is no fault of the site',
    [{ cause: 'local' }, { ...alone, alternative: true }],
    'SourceBroken',
  ],
  [
    'the wrong address family is no attempt',
    [noRoute('OtherFamily'), { ...alone, alternative: true }],
    'OtherFamily',
  ],
  ['the wrong address family of every source is one', [noRoute('OtherFamily'), alone], 'SiteDown'],
  [
    'DNS trouble is no fault of the source',
    [noRoute('DnsFailure'), { ...alone, alternative: true }],
    'SiteDown',
  ],
];

for (const [title, input, expected] of cases) {
  test(title, () => assert.equal(connectionVerdict(...input), expected));
}
