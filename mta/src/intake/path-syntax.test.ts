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
  ['user@bücher.example', 'user@xn--bcher-kva.example', true],
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
