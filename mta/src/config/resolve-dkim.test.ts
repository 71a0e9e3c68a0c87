import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dkimSchema } from './dkim-schema.ts';
import { resolveDkim } from './resolve-dkim.ts';

function resolved(rules: readonly unknown[]) {
  const problems: string[] = [];
  const settings = resolveDkim(dkimSchema.parse({ rules }), {
    tenants: new Set(['acme']),
    absolute: (file) => `/etc/sluice/${file}`,
    problem: (path, what) => problems.push(`${path.join('.')}: ${what}`),
  });
  return { settings, problems };
}

test('one signature with a selector and a key is all that a rule needs; the rest is what receivers ask for', () => {
  const { settings, problems } = resolved([
    { name: 'all', signatures: [{ selector: 'S1', keyFile: '{domain}.pem' }] },
  ]);
  assert.deepEqual(problems, []);
  const [rule] = settings.rules;
  assert.deepEqual(rule?.signatures, [
    {
      domain: '{domain}',
      selector: 's1',
      keyFile: '/etc/sluice/{domain}.pem',
      canonicalization: 'relaxed/relaxed',
      onMissingKey: 'Refuse',
    },
  ]);
  for (const header of ['From', 'Subject', 'To', 'Date']) assert.ok(rule?.overSign.includes(header), header);
  for (const header of ['List-Unsubscribe', 'List-Unsubscribe-Post', 'Feedback-ID'])
    assert.ok(rule?.signedHeaders.includes(header), header);
});

test('what could never work is told before mail comes', () => {
  const signature = { selector: 's1', keyFile: 'key.pem' };
  const { problems } = resolved([
    { name: 'a', match: { tenants: ['acme', 'acne'] }, signatures: [signature] },
    {
      name: 'a',
      signatures: [
        { ...signature, domain: '*.shop.example' },
        { ...signature, domain: 'x.{domain}' },
      ],
    },
    { name: 'b', signatures: [{ ...signature, keyFile: '{sender}/{domain}.pem' }] },
    { name: 'c', signatures: [signature], signedHeaders: ['From', 'received'], overSign: ['Return-Path'] },
  ]);
  assert.deepEqual(problems, [
    'rules.0.match.tenants.1: There is no tenant "acne".',
    'rules.1.name: "a" is listed twice.',
    'rules.1.signatures.0.domain: "*.shop.example" is not a domain to sign for.',
    'rules.1.signatures.1.domain: "x.{domain}" is not a domain to sign for.',
    'rules.2.signatures.0.keyFile: {sender} is not known.',
    'rules.3.signedHeaders.1: received changes on the way: a signature that covers it would not last.',
    'rules.3.overSign.0: Return-Path changes on the way: a signature that covers it would not last.',
  ]);
});

test('a selector or header name that would break the field out of its form is refused', () => {
  for (const rule of [
    { name: 'a', signatures: [{ selector: 's1;d=evil.example', keyFile: 'k' }] },
    { name: 'a', signatures: [{ selector: 's 1', keyFile: 'k' }] },
    { name: 'a', signatures: [], signedHeaders: ['From:To'] },
    { name: 'a', signatures: [], overSign: ['X\r\nY'] },
    { name: 'a', signatures: [], signedHeaders: ['Sub ject'] },
    { name: 'a', signatures: [], signedHeaders: ['a;b'] },
  ])
    assert.equal(dkimSchema.safeParse({ rules: [rule] }).success, false, JSON.stringify(rule));
});
