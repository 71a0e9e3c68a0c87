import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authorDomain } from './author-domain.ts';
import { readHeader } from './header-section.ts';

const domainOf = (header: string): string =>
  authorDomain(readHeader([Buffer.from(`${header}\r\n\r\nHi\r\n`)]));

test('mail is signed for the domain that readers see, however From is written', () => {
  for (const [from, domain] of [
    ['From: news@shop.example', 'shop.example'],
    ['from : Shop <News@Shop.EXAMPLE>', 'shop.example'],
    ['From: "a@evil.example" <news@shop.example>', 'shop.example'],
    ['From: a@evil.example <news@shop.example>', 'shop.example'],
    ['From: (a@evil.example (nested)) news@shop.example (b@evil.example)', 'shop.example'],
    ['From: "quoted \\" <x@evil.example>" <news@shop.example>', 'shop.example'],
    ['From: "a@b"@shop.example', 'shop.example'],
    ['From: Doe, John\r\n\t<john@shop.example>', 'shop.example'],
    ['From: <@relay.example:news@shop.example>', 'shop.example'],
    ['From: a@shop.example, b@shop.example', 'shop.example'],
    ['From: Group: a@shop.example, b@shop.example;', 'shop.example'],
    ['From: news@b\u00fccher.example', 'xn--bcher-kva.example'],
    ['Subject: x\r\nFROM: news@shop.example.', 'shop.example'],
  ] as const) {
    assert.equal(domainOf(from), domain, JSON.stringify(from));
  }
});

test('a From that names no domain, or more than one, chooses no key', () => {
  for (const from of [
    'Subject: no from',
    'From: a@shop.example\r\nFrom: b@shop.example',
    'From: a@shop.example, b@other.example',
    'From: nobody',
    'From: a@[192.0.2.1]',
    'From: a@../../etc/passwd',
    'From: a@shop.example/x',
    'From: a@shop..example',
    'From: a@%2e%2e',
    'From: a@',
    'From: <>',
    'From:',
    // Nobody may hold the event loop with one header field.
    `From: a@x${' .'.repeat(60_000)}x`,
    `From: ${'('.repeat(60_000)}a@shop.example`,
    `From: a@${'\u00fc.'.repeat(60_000)}`,
  ]) {
    assert.equal(domainOf(from), '', from.slice(0, 80));
  }
});
