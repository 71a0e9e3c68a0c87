import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import PostalMime from 'postal-mime';
import { encodeUtf8Address, encodeXtext } from '../spool/mod.ts';
import { envelopeOf, MESSAGE, REPORT_ID, recipientOf, replyOf, reportOf } from './status-report.fixture.ts';
import type { StatusReport } from './status-report.ts';
import { writeStatusReport } from './write-status-report.ts';

type Fields = Readonly<Record<string, string>>;

/** A report as its reader's mail program takes it apart. */
async function read(report: StatusReport) {
  const { envelope, body } = writeStatusReport(report);
  const octets = Buffer.concat(body);
  assert.equal(envelope.sizeBytes, octets.length);
  const text = octets.toString('latin1');
  assert.doesNotMatch(text, /\r(?!\n)|(?<!\r)\n|\0/, 'no bare CR or LF, no NUL');
  for (const line of text.split('\r\n')) assert.ok(line.length <= 998, `${line.length} octets in a line`);
  const high = [...text].some((character) => character > '\x7f');
  if (high) assert.ok(envelope.eightBit, 'octets above 127 are announced');
  const mail = await PostalMime.parse(octets, {
    attachmentEncoding: 'arraybuffer',
    forceRfc822Attachments: true,
  });
  const parts = mail.attachments.map(({ mimeType, content }) => ({
    mimeType,
    // The parser makes every line end an LF.
    text: textOf(content).replaceAll('\n', '\r\n'),
  }));
  const [status] = parts.filter(({ mimeType }) => mimeType.endsWith('delivery-status'));
  const returned = parts.filter(({ mimeType }) => !mimeType.endsWith('delivery-status'));
  const [message = {}, ...recipients] = (status?.text ?? '').trim().split('\r\n\r\n').map(fieldsOf);
  return { envelope, text, mail, status, returned, message, recipients };
}

function textOf(content: string | Uint8Array | ArrayBuffer): string {
  if (typeof content === 'string') return content;
  return Buffer.from(content instanceof ArrayBuffer ? new Uint8Array(content) : content).toString('utf8');
}

function fieldsOf(block: string): Fields {
  const lines = block.replace(/\r\n[ \t]+/g, ' ').split('\r\n');
  const entries = lines.map((line): [string, string] => {
    const colon = line.indexOf(': ');
    return [line.slice(0, colon), line.slice(colon + 2)];
  });
  assert.equal(new Set(entries.map(([name]) => name)).size, entries.length, 'each field once');
  return Object.fromEntries(entries);
}

const NAMES =
  /^(Original-Recipient|Final-Recipient|Action|Status|Remote-MTA|Diagnostic-Code|Last-Attempt-Date|Will-Retry-Until)$/;

test('a failed message comes back with who failed, why, and its header', async () => {
  const statusRequest = {
    ret: '' as const,
    envelopeId: 'order+2B17',
    recipients: [{ notify: '', originalRecipient: 'rfc822;Bob+2Bx@y.example' }],
  };
  const { envelope, mail, status, returned, message, recipients } = await read(
    reportOf(MESSAGE, {
      envelope: envelopeOf({ statusRequest }),
      recipients: [recipientOf({ originalRecipient: 'rfc822;Bob+2Bx@y.example' })],
    }),
  );
  assert.equal(envelope.sender, '', 'a report is never reported on');
  assert.deepEqual(envelope.recipients, ['alice@shop.example']);
  assert.equal(envelope.tenant, 'shop');
  assert.equal(envelope.origin, 'report on 01KAXXZZZZ8M0N8Q7V6Y5ZJ4TC');
  assert.equal(mail.from?.address, 'MAILER-DAEMON@mta.esp.example');
  assert.equal(mail.to?.[0]?.address, 'alice@shop.example');
  assert.equal(mail.subject, 'Delivery Status Notification (Failure)');
  assert.equal(mail.messageId, `<${REPORT_ID}@mta.esp.example>`);
  assert.equal(mail.inReplyTo, '<m1@shop.example>');
  const header = (key: string) => mail.headers.find((each) => each.key === key)?.value;
  assert.equal(header('auto-submitted'), 'auto-replied');
  assert.match(header('content-type') ?? '', /^multipart\/report; report-type=delivery-status;/);
  assert.match(mail.text ?? '', /<bob@y.example>/);
  assert.match(mail.text ?? '', /There is no such mailbox at this address/);
  assert.match(mail.text ?? '', /mx.y.example answered: 550 5.1.1 no such user/);
  assert.equal(status?.mimeType, 'message/delivery-status');
  assert.deepEqual(message, {
    'Reporting-MTA': 'dns; mta.esp.example',
    'Original-Envelope-Id': 'order+17',
    'Arrival-Date': 'Mon, 21 Sep 2026 14:13:20 +0000',
  });
  assert.deepEqual(recipients, [
    {
      'Original-Recipient': 'rfc822; Bob+x@y.example',
      'Final-Recipient': 'rfc822; bob@y.example',
      Action: 'failed',
      Status: '5.1.1',
      'Remote-MTA': 'dns; mx.y.example',
      'Diagnostic-Code': 'smtp; 550 5.1.1 no such user',
      'Last-Attempt-Date': 'Mon, 21 Sep 2026 14:14:20 +0000',
    },
  ]);
  assert.deepEqual(
    returned.map(({ mimeType }) => mimeType),
    ['text/rfc822-headers'],
  );
  assert.equal(returned[0]?.text.trimEnd(), MESSAGE.slice(0, MESSAGE.indexOf('\r\n\r\n')));
});

test('a delay says until when it is tried, a relayed message that no more will come', async () => {
  const { mail, recipients } = await read(
    reportOf(MESSAGE, {
      recipients: [
        recipientOf({
          action: 'delayed',
          reply: { code: 421, enhanced: '4.4.2', text: 'connection timed out during Connect', host: '' },
          untilMs: 1_790_259_200_000,
        }),
        recipientOf({
          address: 'carol@y.example',
          action: 'relayed',
          reply: { code: 250, enhanced: '', text: 'ok', host: '192.0.2.7' },
        }),
      ],
    }),
  );
  assert.equal(mail.subject, 'Delivery Status Notification (Delay)');
  assert.deepEqual(
    recipients.map(
      ({ Action, Status, 'Remote-MTA': remote, 'Diagnostic-Code': code, 'Will-Retry-Until': until }) => [
        Action,
        Status,
        remote,
        code,
        until,
      ],
    ),
    [
      [
        'delayed',
        '4.4.2',
        undefined,
        'x-sluice; 421 4.4.2 connection timed out during Connect',
        'Thu, 24 Sep 2026 14:13:20 +0000',
      ],
      ['relayed', '2.0.0', 'dns; [192.0.2.7]', 'smtp; 250 ok', undefined],
    ],
  );
  const words = (mail.text ?? '').replace(/\s+/g, ' ');
  assert.match(words, /It is tried again until Thu, 24 Sep 2026/);
  assert.match(words, /No further confirmation will come/);
});

test('RET decides how much comes back: all of a failed message, its header, never more than the bound', async () => {
  const asked = (ret: 'FULL' | 'HDRS' | '', action: 'failed' | 'delayed', maxReturnedBytes = 1 << 20) =>
    read(
      reportOf(MESSAGE, {
        envelope: envelopeOf({ statusRequest: { ret, envelopeId: '', recipients: [] } }),
        recipients: [recipientOf({ action })],
        maxReturnedBytes,
      }),
    );
  const whole = await asked('FULL', 'failed');
  assert.equal(whole.returned[0]?.mimeType, 'message/rfc822');
  assert.equal(whole.returned[0]?.text.trimEnd(), MESSAGE.trimEnd());
  for (const [ret, action, bound] of [
    ['HDRS', 'failed'],
    ['', 'failed'],
    ['FULL', 'delayed'],
    ['FULL', 'failed', 10],
  ] as const) {
    const { returned, mail } = await asked(ret, action, bound);
    assert.equal(returned[0]?.mimeType, 'text/rfc822-headers', `${ret} ${action} ${bound}`);
    assert.equal(/Only its header is returned/.test(mail.text ?? ''), ret === 'FULL');
  }
});

test('8-bit mail: a header in Latin-1 comes back through hosts that know 7 bits, a whole message says that it needs 8', async () => {
  const latin = (text: string): Partial<StatusReport> => ({ body: [Buffer.from(text, 'latin1')] });
  const text = 'Subject: Grüße\r\n\r\nTschüß\r\n';
  const header = await read(reportOf('', latin(text)));
  assert.equal(header.envelope.eightBit, false);
  assert.match(header.text, /Content-Transfer-Encoding: quoted-printable\r\n\r\nSubject: Gr=FC=DFe\r\n/);
  const whole = await read(
    reportOf('', {
      ...latin(text),
      envelope: envelopeOf({ statusRequest: { ret: 'FULL', envelopeId: '', recipients: [] } }),
    }),
  );
  assert.equal(whole.envelope.eightBit, true);
  assert.ok(whole.text.includes(text));
});

test('international mail: addresses come back in UTF-8, and in ASCII where the report must be ASCII', async () => {
  const address = 'jürgen@xn--bcher-kva.example';
  const originalRecipient = `utf-8;${encodeUtf8Address('jürgen@bücher.example')}`;
  const recipients = [
    recipientOf({ address, originalRecipient, reply: replyOf({ text: 'nicht verfügbar' }) }),
  ];
  const global = await read(
    reportOf('Subject: Grüße\r\n\r\nx\r\n', { envelope: envelopeOf({ smtputf8: true }), recipients }),
  );
  assert.equal(global.status?.mimeType, 'message/global-delivery-status');
  assert.equal(global.returned[0]?.mimeType, 'message/global-headers');
  assert.match(global.text, /report-type=global-delivery-status/);
  assert.equal(global.recipients[0]?.['Final-Recipient'], `utf-8; ${address}`);
  assert.equal(global.recipients[0]?.['Original-Recipient'], 'utf-8; jürgen@bücher.example');
  assert.equal(global.recipients[0]?.['Diagnostic-Code'], 'smtp; 550 5.1.1 nicht verfügbar');
  assert.deepEqual(
    [global.envelope.eightBit, global.envelope.smtputf8],
    [true, false],
    'its own envelope is ASCII',
  );
  const ascii = await read(reportOf(MESSAGE, { recipients }));
  assert.equal(ascii.recipients[0]?.['Final-Recipient'], 'utf-8; j\\x{FC}rgen@xn--bcher-kva.example');
  assert.equal(ascii.recipients[0]?.['Original-Recipient'], 'utf-8; j\\x{FC}rgen@b\\x{FC}cher.example');
  assert.equal(ascii.recipients[0]?.['Diagnostic-Code'], 'smtp; 550 5.1.1 nicht verf?gbar');
  assert.match(ascii.mail.text ?? '', /jürgen@.*nicht verfügbar/s);
  const sender = await read(
    reportOf(MESSAGE, { envelope: envelopeOf({ smtputf8: true, sender: 'ålice@shop.example' }) }),
  );
  assert.equal(sender.envelope.smtputf8, true);
});

test('every kind of reply has a status of its class, so that bounce processing can rely on it', async () => {
  const statusOf = async (action: 'failed' | 'delayed' | 'relayed', code: number, enhanced: string) =>
    (
      await read(
        reportOf(MESSAGE, { recipients: [recipientOf({ action, reply: replyOf({ code, enhanced }) })] }),
      )
    ).recipients[0]?.Status;
  assert.equal(await statusOf('failed', 550, ''), '5.0.0');
  assert.equal(await statusOf('failed', 451, '4.7.1'), '4.7.1');
  assert.equal(await statusOf('failed', 550, '2.0.0'), '5.0.0');
  assert.equal(await statusOf('failed', 550, '5.1.1\r\nX: y'), '5.0.0');
  assert.equal(await statusOf('delayed', 421, ''), '4.0.0');
  assert.equal(await statusOf('relayed', 250, '2.6.0'), '2.6.0');
});

const anyText = fc.string({ unit: 'binary', maxLength: 1_100 });

test('no text of a peer or a client adds a field, a part or a recipient to a report', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        text: anyText,
        host: anyText,
        address: anyText,
        original: fc.string({ unit: 'grapheme-ascii', maxLength: 100 }),
        sender: fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }),
        envelopeId: fc.string({ unit: 'binary', maxLength: 100 }),
        header: fc.string({ unit: 'grapheme', maxLength: 300 }),
        smtputf8: fc.boolean(),
        ret: fc.constantFrom('FULL' as const, 'HDRS' as const, '' as const),
        count: fc.integer({ min: 1, max: 3 }),
      }),
      async ({ text, host, address, original, sender, envelopeId, header, smtputf8, ret, count }) => {
        const recipients = Array.from({ length: count }, () =>
          recipientOf({
            address,
            originalRecipient: original === '' ? '' : `rfc822;${encodeXtext(original)}`,
            reply: replyOf({ text, host }),
          }),
        );
        const body = [
          Buffer.from(`Subject: ${header.replace(/[\r\n\0]/g, ' ').slice(0, 250)}\r\n\r\nBody\r\n`),
        ];
        const {
          mail,
          returned,
          message,
          recipients: told,
        } = await read(
          reportOf('', {
            body,
            recipients,
            envelope: envelopeOf({
              sender,
              smtputf8,
              statusRequest: { ret, envelopeId: encodeXtext(envelopeId), recipients: [] },
            }),
          }),
        );
        assert.equal(mail.headers.filter(({ key }) => key === 'to').length, 1);
        assert.equal(mail.headers.length, 9 - (mail.inReplyTo === undefined ? 0 : -2));
        assert.equal(returned.length, 1);
        assert.ok(
          Object.keys(message).every((name) =>
            /^(Reporting-MTA|Original-Envelope-Id|Arrival-Date)$/.test(name),
          ),
        );
        assert.equal(told.length, count);
        for (const fields of told) {
          assert.ok(
            Object.keys(fields).every((name) => NAMES.test(name)),
            Object.keys(fields).join(),
          );
          assert.equal(fields.Action, 'failed');
          assert.equal(fields.Status, '5.1.1');
        }
      },
    ),
    { numRuns: 300 },
  );
});
