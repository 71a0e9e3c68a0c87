import type { Envelope, MessageBody } from '../spool/mod.ts';
import { fieldDate, isAscii, oneLine, quotedPrintable } from './report-text.ts';
import { returnedPart } from './returned-part.ts';
import { statusFields } from './status-fields.ts';
import type { StatusReport } from './status-report.ts';
import { statusWords } from './status-words.ts';

/** Begins {@link Envelope.origin} of a report; the id of the message follows. */
const REPORT_ORIGIN = 'report on ';

/** Whether a message is a report that Sluice wrote. */
export function isReport({ sender, origin }: Pick<Envelope, 'sender' | 'origin'>): boolean {
  return sender === '' && origin.startsWith(REPORT_ORIGIN);
}

const SUBJECTS = {
  failed: 'Delivery Status Notification (Failure)',
  delayed: 'Delivery Status Notification (Delay)',
  relayed: 'Delivery Status Notification (Relayed)',
} as const;

/**
 * Writes a delivery status notification (RFC 3464; for SMTPUTF8 mail RFC 6533) with its envelope. Pure: the same report
 * is the same octets.
 *
 * Texts of peers and addresses of clients are in it: none of them can end a field, a part or a line that it stands in.
 */
export function writeStatusReport(report: StatusReport): {
  readonly envelope: Envelope;
  readonly body: MessageBody;
} {
  const { id, envelope, nowMs } = report;
  const global = envelope.smtputf8;
  const boundary = `=_status_${id}`;
  const words = Buffer.from(statusWords(report));
  const plainWords = isAscii(words.toString('latin1'));
  const fields = Buffer.from(statusFields(report, global));
  const returned = returnedPart(report, global);
  const eightBit = returned.eightBit || !isAscii(fields.toString('latin1'));
  const encoding = eightBit ? '8bit' : '7bit';
  const kind = global ? 'global-delivery-status' : 'delivery-status';
  const open = `--${boundary}\r\n`;
  const head = Buffer.from(
    `${headerFields(report)}MIME-Version: 1.0\r\n` +
      `Content-Type: multipart/report; report-type=${kind};\r\n boundary="${boundary}"\r\n` +
      `Content-Transfer-Encoding: ${encoding}\r\n\r\n` +
      `This is a delivery status notification in MIME format.\r\n\r\n${open}` +
      `Content-Description: Notification\r\n` +
      `Content-Type: text/plain; charset=${plainWords ? 'us-ascii' : 'utf-8'}\r\n` +
      `Content-Transfer-Encoding: ${plainWords ? '7bit' : 'quoted-printable'}\r\n\r\n`,
  );
  const between = Buffer.from(
    `\r\n${open}Content-Description: Delivery report\r\nContent-Type: message/${kind}\r\n` +
      `Content-Transfer-Encoding: ${isAscii(fields.toString('latin1')) ? '7bit' : '8bit'}\r\n\r\n`,
  );
  const before = Buffer.from(`\r\n${open}${returned.header}\r\n`);
  const body = [
    head,
    plainWords ? words : Buffer.from(quotedPrintable(words)),
    between,
    fields,
    before,
    ...returned.pieces,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ];
  return {
    envelope: {
      id,
      sender: '',
      recipients: [envelope.sender],
      tenant: envelope.tenant,
      campaign: '',
      class: '',
      acceptedAtMs: nowMs,
      notBeforeMs: 0,
      expireAtMs: 0,
      sizeBytes: body.reduce((sum, piece) => sum + piece.length, 0),
      eightBit: eightBit || !isAscii(envelope.sender),
      smtputf8: !isAscii(envelope.sender),
      origin: `${REPORT_ORIGIN}${envelope.id}`,
    },
    body,
  };
}

function headerFields({ id, hostname, from, nowMs, envelope, body, recipients }: StatusReport): string {
  const action = (['failed', 'delayed', 'relayed'] as const).find((each) =>
    recipients.some((recipient) => recipient.action === each),
  );
  const original = messageIdOf(body);
  return (
    `From: Mail Delivery System <${oneLine(from, false)}>\r\n` +
    `To: <${oneLine(envelope.sender, true)}>\r\n` +
    `Subject: ${SUBJECTS[action ?? 'failed']}\r\n` +
    `Date: ${fieldDate(nowMs)}\r\n` +
    `Message-ID: <${id}@${hostname}>\r\n` +
    (original === '' ? '' : `In-Reply-To: ${original}\r\nReferences: ${original}\r\n`) +
    'Auto-Submitted: auto-replied\r\n'
  );
}

/** Octets from the start of a message in which its Message-ID is looked for. */
const MESSAGE_ID_WITHIN = 32 * 1024;
const MESSAGE_ID = /(?:^|\r\n)message-id:(?:\r\n)?[ \t]*(<[!-;=?-~]{1,500}>)[ \t]*\r\n/i;

/** The Message-ID of the message, `''` when it has none that can be repeated. */
function messageIdOf(body: MessageBody): string {
  let text = '';
  for (const piece of body) {
    text += piece.toString('latin1', 0, MESSAGE_ID_WITHIN - text.length);
    if (text.length >= MESSAGE_ID_WITHIN) break;
  }
  const end = text.indexOf('\r\n\r\n');
  return MESSAGE_ID.exec(end === -1 ? text : text.slice(0, end + 2))?.[1] ?? '';
}
