import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePath } from './path-syntax.ts';

const good: readonly (readonly [text: string, address: string, international?: boolean])[] = [
  ['', ''],
  ['user@dest.example', 'user@dest.example'],
  ["o'brien+tag=x@Dest.Example", "o'brien+tag=x@Dest.Example"],
  ['"a b@c"@dest.example', '"a b@c"@dest.example'],
  ['"a\\"b"@dest.example', '"a\\"b"@dest.example'],
  ['@relay.example,@b.example:user@dest.example', 'user@dest.example'],
  ['user@[192.0.2.1]', 'user@[192.0.2.1]'],
  ['user@[IPv6:2001:db8::1]', 'user@[IPv6:2001:db8::1]'],
  ['user@[ipv6:::ffff:192.0.2.1]', 'user@[ipv6:::ffff:192.0.2.1]'],
  ['user%other.example@dest.example', 'user%other.example@dest.example'],
  ['other.example!user@dest.example', 'other.example!user@dest.example'],
  ['"@relay.example:x"@dest.example', '"@relay.example:x"@dest.example'],
  ['">"@dest.example', '">"@dest.example'],
  ['"\\""@dest.example', '"\\""@dest.example'],
  ['@relay.example:"a b"@dest.example', '"a b"@dest.example'],
  ['user@bücher.example', 'user@xn--bcher-kva.example', true],
  ['user@BÜCHER.Example', 'user@xn--bcher-kva.example', true],
  ['user@bu\u0308cher.example', 'user@xn--bcher-kva.example', true],
  ['user@bücher\u3002example', 'user@xn--bcher-kva.example', true],
  ['u\u0308@dest.example', 'u\u0308@dest.example', true],
  ['"ü b"@dest.example', '"ü b"@dest.example', true],
  ['ü@[192.0.2.1]', 'ü@[192.0.2.1]', true],
  ['用户@例え.example', '用户@xn--r8jz45g.example', true],
  [`${'l'.repeat(64)}@dest.example`, `${'l'.repeat(64)}@dest.example`],
];
for (const [text, address, international = false] of good) {
  test(`mail for <${text}> would be refused`, () => {
    assert.deepEqual(parsePath(text), { ok: true, address, international });
  });
}

const bad: readonly (readonly [text: string, flaw: string])[] = [
  ['user', 'noDomain'],
  ['postmaster', 'noDomain'],
  ['user@', 'noDomain'],
  ['@dest.example', 'syntax'],
  ['.user@dest.example', 'syntax'],
  ['us..er@dest.example', 'syntax'],
  ['us er@dest.example', 'syntax'],
  ['us\ter@dest.example', 'syntax'],
  ['a@b@dest.example', 'syntax'],
  ['"a"b@dest.example', 'syntax'],
  ['user@-dest.example', 'badDomain'],
  ['user@dest..example', 'badDomain'],
  ['user@dest.example.', 'badDomain'],
  ['user@de st.example', 'badDomain'],
  ['user@192.0.2.1', 'badDomain'],
  ['user@[192.0.2.999]', 'badDomain'],
  ['user@[IPv6:xyz]', 'badDomain'],
  ['user@[IPv6:fe80::1%eth0]', 'badDomain'],
  ['user@[2001:db8::1]', 'badDomain'],
  ['user@[IPv6:192.0.2.1]', 'badDomain'],
  ['user@[192.0.2.1', 'badDomain'],
  ['user@[192.0.2.1]x', 'badDomain'],
  ['user@[ 192.0.2.1]', 'badDomain'],
  ['user@[x400:c=de]', 'badDomain'],
  ['user@[]', 'badDomain'],
  ['user@b_d.example', 'badDomain'],
  ['user@dest.example:25', 'badDomain'],
  // What a URL parser would read as another domain than it is written.
  ['user@bücher.example/evil', 'badDomain'],
  ['user@bücher.example?evil', 'badDomain'],
  ['user@bücher.example#evil', 'badDomain'],
  ['user@bücher.example\\evil', 'badDomain'],
  ['user@bü%41.example', 'badDomain'],
  ['user@bü\tcher.example', 'badDomain'],
  ['user@bücher.example:25', 'badDomain'],
  ['user@bü\uff0fcher.example', 'badDomain'],
  ['user@１２７.0.0.1', 'badDomain'],
  ['user@ü.0x7f', 'badDomain'],
  ['user@\u202eü.example', 'badDomain'],
  ['us\u0000er@dest.example', 'syntax'],
  ['us\u0085er@dest.example', 'syntax'],
  ['us\u2028er@dest.example', 'syntax'],
  ['"us\u0007er"@dest.example', 'syntax'],
  ['"us\\"@dest.example', 'syntax'],
  ['"a\\é"@dest.example', 'syntax'],
  ['user@dest.example>x', 'badDomain'],
  ['a<b@dest.example', 'syntax'],
  ['@relay.example:', 'syntax'],
  ['@relay.example:user', 'noDomain'],
  ['@relay.example:@dest.example', 'syntax'],
  [`user@${'a'.repeat(64)}.example`, 'badDomain'],
  [`${'l'.repeat(65)}@dest.example`, 'tooLong'],
  [`${'é'.repeat(33)}@dest.example`, 'tooLong'],
  [`user@${'abcdefghi.'.repeat(25)}example`, 'tooLong'],
];
for (const [text, flaw] of bad) {
  test(`<${text.slice(0, 40)}> would be queued and never delivered`, () => {
    assert.deepEqual(parsePath(text), { ok: false, flaw });
  });
}

test('a hostile address does not keep the process busy', () => {
  const started = performance.now();
  parsePath(`${'a.'.repeat(6000)}!@`);
  parsePath(`"${'\\a'.repeat(6000)}@`);
  parsePath(`@${'a,@'.repeat(4000)}x`);
  assert.ok(performance.now() - started < 500);
});
