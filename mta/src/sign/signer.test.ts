import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DkimSettings, DkimSignatureSettings } from '../config/mod.ts';
import { createSigner, type SignResult } from './signer.ts';
import { oneRule, signatureBy, testKeys, verdicts } from './verify.fixture.ts';

const MAIL = [
  'Received: from app.example ([192.0.2.1]) by mta.example',
  'From: Shop <news@shop.example>',
  'To: a@customer.example',
  'Subject: Sale',
  'Date: Tue, 24 Nov 2026 10:00:00 +0000',
  'Message-ID: <1@shop.example>',
  'List-Unsubscribe: <https://shop.example/u/1>',
  'List-Unsubscribe-Post: List-Unsubscribe=One-Click',
  '',
  'Hello,  customer \t',
  '',
  '',
].join('\r\n');

async function sign(settings: DkimSettings, mail: string | Buffer, tenant = ''): Promise<SignResult> {
  const message = typeof mail === 'string' ? Buffer.from(mail, 'latin1') : mail;
  // In two pieces, as the network gives them.
  const half = message.length >> 1;
  return createSigner(settings, testKeys).sign({ tenant }, [
    message.subarray(0, half),
    message.subarray(half),
  ]);
}

async function signed(settings: DkimSettings, mail: string = MAIL): Promise<string> {
  const result = await sign(settings, mail);
  if (result.kind !== 'signed') assert.fail(result.kind);
  return result.fields.toString('latin1') + mail;
}

const check = (mail: string) => verdicts(Buffer.from(mail, 'latin1'));
const BOTH = oneRule([signatureBy('rsa'), signatureBy('ed25519', { domain: 'esp.example' })]);

test('a customer’s RSA signature and the ESP’s Ed25519 signature both verify', async () => {
  const mail = await signed(BOTH);
  assert.deepEqual(await check(mail), ['pass rsa shop.example', 'pass ed25519 esp.example']);
  assert.ok(
    mail.split('\r\n').every((line) => line.length <= 78),
    'lines are folded',
  );
});

test('all four canonicalizations verify, also next to each other', async () => {
  const all = (['relaxed/relaxed', 'relaxed/simple', 'simple/relaxed', 'simple/simple'] as const).map(
    (canonicalization, index) => signatureBy('rsa', { canonicalization, domain: `d${index}.example` }),
  );
  const mail = await signed(oneRule(all));
  assert.deepEqual(
    await check(mail),
    all.map(({ domain }) => `pass rsa ${domain}`),
  );
});

test('over-signing: a second From or Subject, or another unsubscribe link, breaks the signature', async () => {
  const mail = await signed(oneRule([signatureBy('rsa')]));
  for (const added of [
    'From: evil@evil.example',
    'Subject: You have won',
    'List-Unsubscribe: <https://evil.example/>',
  ]) {
    assert.match((await check(`${added}\r\n${mail}`))[0] ?? '', /^fail/, `${added} on top`);
    assert.match(
      (await check(mail.replace('\r\n\r\n', `\r\n${added}\r\n\r\n`)))[0] ?? '',
      /^fail/,
      `${added} below`,
    );
  }
  assert.match(
    (await check(`Received: from mx\r\nX-Spam: no\r\n${mail}`))[0] ?? '',
    /^pass/,
    'what hosts add',
  );
});

test('RFC 8058: both unsubscribe headers are covered, or one-click is not offered to the reader', async () => {
  const mail = await signed(oneRule([signatureBy('rsa')]));
  assert.match((await check(mail.replace('/u/1', '/u/2')))[0] ?? '', /^fail/);
  assert.match((await check(mail.replace('One-Click', 'Two-Clicks')))[0] ?? '', /^fail/);
});

test('a header that the message does not have and that is not over-signed may be added later', async () => {
  const mail = await signed(oneRule([signatureBy('rsa')]));
  assert.match((await check(`Cc: b@customer.example\r\n${mail}`))[0] ?? '', /^pass/);
});

test('repeated fields are all covered, whichever is changed', async () => {
  const repeated = MAIL.replace('To: a@', 'To: first@one.example\r\nTo: a@');
  const mail = await signed(oneRule([signatureBy('rsa')]), repeated);
  assert.match((await check(mail))[0] ?? '', /^pass/);
  assert.match((await check(mail.replace('first@', 'fIrst@')))[0] ?? '', /^fail/);
  assert.match((await check(mail.replace('To: a@', 'To: b@')))[0] ?? '', /^fail/);
});

test('expireAfter says until when the signature holds', async () => {
  const signer = createSigner(
    oneRule([signatureBy('rsa', { expireAfterMs: 3_600_000 })]),
    testKeys,
    () => 1_700_000_000_999,
  );
  const result = await signer.sign({ tenant: '' }, [Buffer.from(MAIL)]);
  assert.match(result.kind === 'signed' ? result.fields.toString() : '', / t=1700000000; x=1700003600;/);
});

test('a missing key: the strictest signature of the rule decides, and the others are not sent half', async () => {
  const missing = (onMissingKey: 'Refuse' | 'Hold' | 'SendUnsigned') =>
    signatureBy('missing', { onMissingKey, domain: 'esp.example' });
  const hold = await sign(oneRule([signatureBy('rsa'), missing('Hold')]), MAIL);
  assert.deepEqual(hold, {
    kind: 'missing-key',
    onMissingKey: 'Hold',
    missing: {
      rule: 'all',
      domain: 'esp.example',
      selector: 'missing',
      file: '/keys/missing',
      reason: 'there is no such file',
    },
  });
  const refuse = await sign(
    oneRule([missing('Hold'), missing('SendUnsigned'), { ...missing('Refuse'), selector: 's2' }]),
    MAIL,
  );
  assert.equal(refuse.kind === 'missing-key' ? refuse.onMissingKey : refuse.kind, 'Refuse');
  const some = await sign(oneRule([missing('SendUnsigned'), signatureBy('rsa')]), MAIL);
  assert.equal(some.kind, 'signed');
  assert.equal(some.kind === 'signed' ? some.leftOut.length : 0, 1, 'it is told that one is missing');
  const none = await sign(oneRule([missing('SendUnsigned')]), MAIL);
  assert.equal(none.kind, 'unsigned');
});

test('a client cannot get a signature for a domain by writing two of them, and is told', async () => {
  const two = MAIL.replace('From: Shop', 'From: x@victim.example\r\nFrom: Shop');
  assert.equal((await sign(oneRule([signatureBy('rsa')]), two)).kind, 'unsignable');
  assert.equal(
    (await sign(oneRule([signatureBy('rsa', { onMissingKey: 'SendUnsigned' })]), two)).kind,
    'unsigned',
  );
  const fixed = await sign(oneRule([signatureBy('rsa', { domain: 'esp.example' })]), two);
  assert.equal(fixed.kind, 'signed', 'a fixed domain does not depend on From');
});

test('the same domain and selector twice makes one signature', async () => {
  const settings = oneRule([signatureBy('rsa'), signatureBy('rsa', { domain: 'shop.example' })]);
  assert.deepEqual(await check(await signed(settings)), ['pass rsa shop.example']);
});

test('the body is read once for each of its canonicalizations, however many signatures there are', async () => {
  let reads = 0;
  class CountingPieces extends Array<Buffer> {
    override [Symbol.iterator]() {
      reads++;
      return super[Symbol.iterator]();
    }
  }
  const pieces = CountingPieces.of(Buffer.from(MAIL));
  const readsOf = async (...canonicalizations: readonly DkimSignatureSettings['canonicalization'][]) => {
    reads = 0;
    const signatures = canonicalizations.map((canonicalization, index) =>
      signatureBy('ed25519', { canonicalization, domain: `d${index}.example` }),
    );
    await createSigner(oneRule(signatures), testKeys).sign({ tenant: '' }, pieces);
    return reads;
  };
  const header = 1;
  assert.equal(
    await readsOf('relaxed/relaxed', 'relaxed/relaxed', 'simple/relaxed', 'relaxed/relaxed'),
    header + 1,
  );
  assert.equal(await readsOf('relaxed/relaxed', 'relaxed/simple', 'simple/simple'), header + 2);
});

test('mail of a rule without signatures, or of none, goes as it came', async () => {
  assert.deepEqual(await sign(oneRule([]), MAIL), { kind: 'unsigned', rule: 'all', leftOut: [] });
  assert.deepEqual(await sign({ rules: [] }, MAIL), { kind: 'unsigned', rule: '', leftOut: [] });
});

const LATIN1_TEXT = fc
  .array(
    fc.constantFrom(
      'word',
      ' ',
      '  ',
      '\t',
      '\u00fc',
      '\u00c3\u00bc',
      ':',
      ';',
      '=?utf-8?q?x?=',
      '<a@b>',
      'b=',
      '.',
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));
const VALUE = fc
  .array(LATIN1_TEXT, { minLength: 1, maxLength: 4 })
  .map((lines) => lines.map((line) => `${line}x`).join('\r\n\t'));
const FIELD = fc
  .tuple(fc.constantFrom('To', 'SUBJECT', 'Subject', 'date', 'Cc', 'X-Other', 'List-Unsubscribe'), VALUE)
  .map(([name, value]) => `${name}:${value}\r\n`);
const BODY = fc.oneof(
  fc.constant(''),
  fc
    .array(fc.oneof(LATIN1_TEXT, fc.constant(''), fc.constant('.')), { maxLength: 12 })
    .map((lines) => `\r\n${lines.map((line) => `${line}\r\n`).join('')}`),
);

test('whatever a client sends, another implementation verifies what we signed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(FIELD, { maxLength: 8 }),
      fc.array(FIELD, { maxLength: 3 }),
      BODY,
      fc.constantFrom('relaxed/relaxed', 'simple/simple', 'relaxed/simple'),
      async (before, behind, body, canonicalization) => {
        const mail = `${before.join('')}From: a@shop.example\r\n${behind.join('')}${body}`;
        const settings = oneRule([signatureBy('ed25519', { canonicalization })]);
        assert.deepEqual(await check(await signed(settings, mail)), ['pass ed25519 shop.example']);
      },
    ),
    { numRuns: 300 },
  );
});
