import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillTemplate } from './key-path.ts';

const VALUES = { domain: 'shop.example', selector: 's1', tenant: 'acme' };

test('a path template finds the key of each domain, selector and tenant', () => {
  assert.equal(
    fillTemplate('/keys/{tenant}/{domain}/{selector}.pem', VALUES),
    '/keys/acme/shop.example/s1.pem',
  );
  assert.equal(fillTemplate('/keys/fixed.pem', { domain: '', selector: '', tenant: '' }), '/keys/fixed.pem');
});

test('nothing that a client can say leads out of the directory of keys', () => {
  for (const bad of ['..', '.', '../x', 'a/b', '/etc/passwd', 'a\\b', 'a\0b', '', '.hidden', 'a\nb']) {
    assert.equal(fillTemplate('/keys/{domain}.pem', { ...VALUES, domain: bad }), undefined, `domain ${bad}`);
    assert.equal(fillTemplate('/keys/{tenant}.pem', { ...VALUES, tenant: bad }), undefined, `tenant ${bad}`);
  }
  assert.equal(fillTemplate('/keys/{tenant}.pem', { ...VALUES, tenant: 'a..b' }), '/keys/a..b.pem');
});
