import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeXtext,
  encodeUtf8Address,
  encodeXtext,
  originalRecipientOf,
} from './delivery-status-request.ts';

test('an envelope id with any printable character comes back as the sender wrote it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => {
      const xtext = encodeXtext(text);
      assert.match(xtext, /^[!-<>-~]*$/);
      assert.equal(decodeXtext(xtext), text);
    }),
  );
});

test('what is no xtext is not taken for it: it would break out of the command that carries it', () => {
  for (const text of ['a b', 'a=b', '+', '+2', '+2g', '+2b', 'a\r\nb', 'ä']) {
    assert.equal(decodeXtext(text), undefined, JSON.stringify(text));
  }
  assert.equal(decodeXtext('+41+2B'), 'A+');
});

test('an original recipient beyond ASCII passes hosts that only know ASCII, and comes back as it was', () => {
  assert.equal(encodeUtf8Address('ü+\\=@x.example'), '\\x{FC}\\x{2B}\\x{5C}\\x{3D}@x.example');
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (address) => {
      const orcpt = `utf-8;${encodeUtf8Address(address)}`;
      assert.match(orcpt, /^[!-<>-~]+$/);
      assert.deepEqual(originalRecipientOf(orcpt), { type: 'utf-8', address });
    }),
  );
  assert.deepEqual(originalRecipientOf('rfc822;a+2Bb@x.example'), {
    type: 'rfc822',
    address: 'a+b@x.example',
  });
  for (const orcpt of ['', ';', ';a', 'rfc822', 'rfc822;a=b', 'utf-8;', 'utf-8;\\x{D800}']) {
    assert.equal(originalRecipientOf(orcpt), undefined, orcpt);
  }
});
