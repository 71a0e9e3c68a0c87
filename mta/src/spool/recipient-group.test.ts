import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as check, constantFrom, property, record } from 'fast-check';
import { domainOf, recipientGroups } from './recipient-group.ts';

test('a domain is what follows the last @, in lower case', () => {
  assert.equal(domainOf('user@Example.COM'), 'example.com');
  assert.equal(domainOf('"a@b"@x.example'), 'x.example');
  assert.equal(domainOf('user@[192.0.2.1]'), '[192.0.2.1]');
  assert.equal(domainOf('user@[IPv6:2001:DB8::1]'), '[ipv6:2001:db8::1]');
});

test('groups come in the order of their first recipient', () => {
  assert.deepEqual(recipientGroups({ recipients: ['a@x.example', 'b@y.example', 'c@X.example'] }), [
    { group: 0, domain: 'x.example', recipients: [0, 2] },
    { group: 1, domain: 'y.example', recipients: [1] },
  ]);
});

test('every recipient is in exactly one group, and no group mixes domains', () => {
  const path = record({
    local: constantFrom('a', 'B', '"x@y"'),
    domain: constantFrom('x.example', 'X.example', 'y.example', 'z.example'),
  }).map(({ local, domain }) => `${local}@${domain}`);
  check(
    property(array(path, { minLength: 1, maxLength: 30 }), (recipients) => {
      const groups = recipientGroups({ recipients });
      assert.deepEqual(
        groups.flatMap((group) => group.recipients).toSorted((a, b) => a - b),
        [...recipients.keys()],
      );
      for (const [index, { group, domain, recipients: members }] of groups.entries()) {
        assert.equal(group, index);
        for (const member of members) assert.equal(domainOf(recipients[member] ?? ''), domain);
      }
      assert.equal(new Set(groups.map(({ domain }) => domain)).size, groups.length);
    }),
  );
});
