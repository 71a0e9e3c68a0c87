import { isAscii } from 'node:buffer';
import type { MessageBody } from '../spool/mod.ts';
import { quotedPrintable } from './report-text.ts';
import type { StatusReport } from './status-report.ts';

/** Octets of a header section that are returned; what is longer is cut behind a line. */
const MAX_RETURNED_HEADER_BYTES = 64 * 1024;

/** The last part of a report: what is returned of the message. */
export interface ReturnedPart {
  /** MIME fields of the part; the empty line behind them is not in it. */
  readonly header: string;
  /** Ends in CRLF. */
  readonly pieces: MessageBody;
  readonly eightBit: boolean;
}

/** RFC 3461 §4.3: FULL is a wish about failures; everything else returns the header, as does a message that is too large. */
export function returnsWhole({
  envelope,
  recipients,
  maxReturnedBytes,
}: Pick<StatusReport, 'envelope' | 'recipients' | 'maxReturnedBytes'>): boolean {
  return (
    envelope.statusRequest?.ret === 'FULL' &&
    envelope.sizeBytes <= maxReturnedBytes &&
    recipients.some(({ action }) => action === 'failed')
  );
}

/** @param global message/global, message/global-headers (RFC 6533 §6): UTF-8 as it is */
export function returnedPart(report: StatusReport, global: boolean): ReturnedPart {
  const { body } = report;
  if (returnsWhole(report)) {
    const eightBit = !body.every(isAscii);
    const last = body.findLast((piece) => piece.length > 0);
    const whole = last === undefined || last.toString('latin1', last.length - 2) === '\r\n';
    return {
      header: partHeader(
        'Undelivered message',
        global ? 'message/global' : 'message/rfc822',
        eightBit ? '8bit' : '7bit',
      ),
      pieces: whole ? body : [...body, Buffer.from('\r\n')],
      eightBit,
    };
  }
  const section = headerSection(body);
  const type = global ? 'message/global-headers' : 'text/rfc822-headers';
  if (isAscii(section))
    return { header: partHeader('Header of the message', type, '7bit'), pieces: [section], eightBit: false };
  if (global)
    return { header: partHeader('Header of the message', type, '8bit'), pieces: [section], eightBit: true };
  return {
    header: partHeader('Header of the message', type, 'quoted-printable'),
    pieces: [Buffer.from(quotedPrintable(section))],
    eightBit: false,
  };
}

function partHeader(description: string, type: string, encoding: string): string {
  return `Content-Description: ${description}\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n`;
}

/** The header section with the CRLF of its last line. */
function headerSection(body: MessageBody): Buffer {
  const kept: Buffer[] = [];
  let bytes = 0;
  for (const piece of body) {
    kept.push(piece.subarray(0, MAX_RETURNED_HEADER_BYTES - bytes));
    bytes += piece.length;
    if (bytes >= MAX_RETURNED_HEADER_BYTES) break;
  }
  const start = Buffer.concat(kept);
  if (start.toString('latin1', 0, 2) === '\r\n') return Buffer.alloc(0);
  const end = start.indexOf('\r\n\r\n');
  if (end !== -1) return start.subarray(0, end + 2);
  const lastLine = start.lastIndexOf('\r\n');
  return start.subarray(0, lastLine === -1 ? 0 : lastLine + 2);
}
