import type { PlannedMessage } from './plan.ts';

const LINE = `${'Sluice sends what you hand it, no faster than they take it. '.padEnd(74, '.')}\r\n`;
const FILLER = Buffer.from(LINE.repeat(1024));

/**
 * The message as bytes for DATA, end of data included, in two pieces: its own header and a slice of shared filler.
 * The whole is `sizeBytes` long (within a line), without the final dot.
 */
export function messageText(message: PlannedMessage, date: string): readonly Buffer[] {
  const header = Buffer.from(
    `From: Blast <${message.sender}>\r\nTo: <${message.recipients[0] ?? ''}>\r\nSubject: blast ${message.firstRecipient}\r\n` +
      `Date: ${date}\r\nMessage-ID: <${message.recipients[0] ?? ''}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n`,
    'latin1',
  );
  const pieces = [header];
  let left = Math.max(0, message.sizeBytes - header.length);
  left -= left % LINE.length;
  for (; left > 0; left -= Math.min(left, FILLER.length))
    pieces.push(FILLER.subarray(0, Math.min(left, FILLER.length)));
  return pieces;
}
