import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { headerMap } from './header-scan.ts';
import { buildMessage, type Received } from './received-message.ts';

const HEAD = 'Received: from c ([192.0.2.1])\r\n\tby mta.example with ESMTP\r\n\tid ';
const DATE = 'Tue, 24 Nov 2026 10:00:00 +0000';
const TRACE = `${HEAD}ID1;\r\n\t${DATE}\r\n`;

function build(text: string, more: Partial<Received> = {}, sizes: readonly number[] = [text.length || 1]) {
  const pieces: Buffer[] = [];
  for (let at = 0, turn = 0; at < text.length; turn++) {
    const size = sizes[Math.min(turn, sizes.length - 1)] ?? 1;
    pieces.push(Buffer.from(text.slice(at, at + size), 'latin1'));
    at += size;
  }
  const built = buildMessage({
    id: 'ID1',
    pieces,
    sizeBytes: text.length,
    eightBit: false,
    sender: 's@client.example',
    recipients: ['r@dest.example'],
    askedSmtputf8: false,
    origin: 'smtp [192.0.2.1]',
    wallMs: Date.UTC(2026, 10, 24, 10),
    hostname: 'mta.example',
    receivedHead: HEAD,
    headerMap: headerMap({ tenant: 'X-Tenant', campaign: 'X-Campaign', class: 'X-Class' }),
    headersCount: true,
    resolveTenant: (header) => header,
    ...more,
  });
  if ('code' in built) return { refused: `${built.code} ${built.enhanced}`, text: '', envelope: undefined };
  const stored = Buffer.concat(built.body).toString('latin1');
  assert.equal(built.envelope.sizeBytes, stored.length);
  return { refused: '', text: stored, envelope: built.envelope };
}

const FULL = `Date: ${DATE}\r\nMESSAGE-ID: <1@client.example>\r\n`;

test('Message-ID and Date are added only when they are missing', () => {
  assert.equal(build(`${FULL}\r\nhi\r\n`).text, `${TRACE}${FULL}\r\nhi\r\n`);
  assert.equal(
    build('From: a@b.example\r\n\r\nDate: in the body\r\n').text,
    `${TRACE}Message-ID: <ID1@mta.example>\r\nDate: ${DATE}\r\nFrom: a@b.example\r\n\r\nDate: in the body\r\n`,
  );
});

test('a message without a header would lose its first lines', () => {
  const added = `Message-ID: <ID1@mta.example>\r\nDate: ${DATE}\r\n`;
  assert.equal(build('just text\r\nDate: x\r\n').text, `${TRACE}${added}\r\njust text\r\nDate: x\r\n`);
  assert.equal(build('\r\nbody\r\n').text, `${TRACE}${added}\r\nbody\r\n`);
  assert.equal(build('').text, `${TRACE}${added}`);
});

test('Return-Path and mapped fields are not sent on, folded or not, wherever the chunks are cut', () => {
  const fields = `Return-Path: <x@y.example>\r\nX-tenant: acme\r\n${FULL}X-Campaign:\r\n black\r\n\tfriday \r\nX-Class: bulk\r\nX-Class: second\r\nSubject: s\r\n`;
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 9 }), (sizes) => {
      const { text, envelope } = build(`${fields}\r\nX-Tenant: body\r\n`, {}, sizes);
      assert.equal(text, `${TRACE}${FULL}Subject: s\r\n\r\nX-Tenant: body\r\n`);
      assert.equal(envelope?.tenant, 'acme');
      assert.equal(envelope?.campaign, 'black friday');
      assert.equal(envelope?.class, 'bulk');
    }),
  );
});

test('a client that may not set them cannot choose tenant, campaign or class, and they do not leak', () => {
  const { text, envelope } = build(`X-Tenant: other\r\nX-Class: urgent\r\n${FULL}\r\n`, {
    headersCount: false,
  });
  assert.deepEqual([envelope?.tenant, envelope?.campaign, envelope?.class], ['', '', '']);
  assert.equal(text, `${TRACE}${FULL}\r\n`);
});

test('a message in a circle would be relayed for ever', () => {
  assert.equal(build(`${'Received: by x\r\n'.repeat(100)}${FULL}\r\n`).refused, '');
  assert.equal(build(`${'received : by x\r\n'.repeat(101)}${FULL}\r\n`).refused, '554 5.4.6');
});

test('a header without end would take the memory', () => {
  assert.equal(build(`X-Long: ${'a\r\n '.repeat(70_000)}`).refused, '550 5.6.0');
  assert.equal(build('A: b\r\n'.repeat(1001)).refused, '550 5.6.0');
  assert.equal(build(`X-Tenant: ${'t'.repeat(129)}\r\n\r\n`).refused, '550 5.6.0');
  assert.equal(build(`X-Long: ${'a\r\n '.repeat(30_000)}\r\n\r\nbody`).refused, '');
});

test('SMTPUTF8 is demanded of the next host only when the client asked for it and something needs it', () => {
  const flag = (text: string, more: Partial<Received>) => build(text, more).envelope?.smtputf8;
  assert.equal(flag('Subject: \xc3\xa9\r\n\r\n', {}), false);
  assert.equal(flag('Subject: \xc3\xa9\r\n\r\n', { askedSmtputf8: true }), true);
  assert.equal(flag('Subject: e\r\n\r\n\xc3\xa9', { askedSmtputf8: true }), false);
  assert.equal(flag('Subject: e\r\n\r\n', { askedSmtputf8: true, recipients: ['é@dest.example'] }), true);
});

test('a refused tenant refuses the message', () => {
  const refusal = { code: 550, enhanced: '5.7.1', text: 'unknown tenant' };
  assert.equal(build(`${FULL}\r\n`, { resolveTenant: () => refusal }).refused, '550 5.7.1');
});
