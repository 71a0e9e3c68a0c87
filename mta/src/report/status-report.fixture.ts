import type { Envelope, Reply } from '../spool/mod.ts';
import type { ReportedRecipient, StatusReport } from './status-report.ts';

export const REPORT_ID = '01KAXY0S3E8M0N8Q7V6Y5ZJ4TC';

export function envelopeOf(fields: Partial<Envelope> = {}): Envelope {
  return {
    id: '01KAXXZZZZ8M0N8Q7V6Y5ZJ4TC',
    sender: 'alice@shop.example',
    recipients: ['bob@y.example'],
    tenant: 'shop',
    campaign: 'autumn',
    class: 'bulk',
    acceptedAtMs: 1_790_000_000_000,
    notBeforeMs: 0,
    expireAtMs: 0,
    sizeBytes: 0,
    eightBit: false,
    smtputf8: false,
    origin: 'smtp [192.0.2.1]',
    ...fields,
  };
}

export function replyOf(fields: Partial<Reply> = {}): Reply {
  return { code: 550, enhanced: '5.1.1', text: 'no such user', host: 'mx.y.example', ...fields };
}

export function recipientOf(fields: Partial<ReportedRecipient> = {}): ReportedRecipient {
  return {
    address: 'bob@y.example',
    originalRecipient: '',
    action: 'failed',
    reply: replyOf(),
    atMs: 1_790_000_060_000,
    ...fields,
  };
}

export const MESSAGE =
  'Received: from app.example\r\nMessage-ID: <m1@shop.example>\r\nSubject: Hello\r\n\r\nText of the message.\r\n';

export function reportOf(text: string, fields: Partial<StatusReport> = {}): StatusReport {
  const body = [Buffer.from(text)];
  const { envelope = envelopeOf(), ...rest } = fields;
  return {
    id: REPORT_ID,
    hostname: 'mta.esp.example',
    from: 'MAILER-DAEMON@mta.esp.example',
    nowMs: 1_790_000_061_000,
    body,
    recipients: [recipientOf()],
    maxReturnedBytes: 1 << 20,
    ...rest,
    envelope: { ...envelope, sizeBytes: body[0]?.length ?? 0 },
  };
}
