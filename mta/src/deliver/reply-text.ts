import { MAX_REPLY_TEXT, type Reply } from '../spool/mod.ts';
import type { WireReply } from './reply-parser.ts';

/** RFC 2034 §4: the enhanced code stands at the start of the text; RFC 3463 §2: three numbers. */
const ENHANCED = /^[245]\.\d{1,3}\.\d{1,3}(?= |$)/;
const NOT_PLAIN = /[^\x20-\x7e]/;
/** Controls, and the invisible characters that would let a reply lie about itself in a log (RFC 6531 allows UTF-8 here). */
const NOT_PRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * A reply as the rest of Sluice reads it: the enhanced status code taken out of the text (and out of every further line
 * that repeats it), lines joined, printable, bounded.
 *
 * An enhanced code whose class contradicts the basic one (`550 2.1.5 …`) is left in the text: it says nothing reliable.
 *
 * Example: `550-5.7.1 blocked`, `550 5.7.1 see example.com` from mx.example →
 * `{ code: 550, enhanced: '5.7.1', text: 'blocked see example.com', host: 'mx.example' }`
 */
export function replyOf(wire: WireReply, host: string): Reply {
  const first = wire.lines[0] ?? '';
  const found = ENHANCED.exec(first)?.[0] ?? '';
  const enhanced = found.charCodeAt(0) - 48 === Math.trunc(wire.code / 100) ? found : '';
  let text = withoutCode(first, enhanced);
  for (let index = 1; index < wire.lines.length; index++) {
    text += ` ${withoutCode(wire.lines[index] ?? '', enhanced)}`;
  }
  return { code: wire.code, enhanced, text: printable(text), host };
}

/** Latin1 octets as printable text of at most {@link MAX_REPLY_TEXT} characters. */
export function printable(octets: string): string {
  let text = octets;
  if (NOT_PLAIN.test(text)) {
    text = Buffer.from(text, 'latin1').toString('utf8').replace(NOT_PRINTABLE, ' ');
  }
  text = text.trim();
  return text.length > MAX_REPLY_TEXT ? text.slice(0, MAX_REPLY_TEXT).toWellFormed() : text;
}

function withoutCode(line: string, enhanced: string): string {
  return enhanced !== '' && line.startsWith(enhanced) ? line.slice(enhanced.length + 1) : line;
}
