import { isUtf8 } from 'node:buffer';
import { decodeXtext, encodeUtf8Address, originalRecipientOf as split } from '../spool/mod.ts';
import type { Rejection } from './contract.ts';
import { REFUSALS } from './replies.ts';

/** RFC 3461 §4.4: characters of ENVID. */
const MAX_ENVELOPE_ID = 100;
/** RFC 3461 §4.2: characters of ORCPT. */
const MAX_ORIGINAL_RECIPIENT = 500;
const NOTIFY_VALUES = ['SUCCESS', 'FAILURE', 'DELAY'] as const;

/** Whether a value of ENVID can be passed on and printed in a report: xtext that stands for printable ASCII. */
export function isEnvelopeId(value: string): boolean {
  const text = decodeXtext(value);
  return text !== undefined && value.length > 0 && value.length <= MAX_ENVELOPE_ID && isPrintable(text);
}

/**
 * A value of NOTIFY in its one spelling.
 *
 * Example: `notifyOf('delay,failure')` → `FAILURE,DELAY`
 */
export function notifyOf(value: string): string | Rejection {
  const words = value.toUpperCase().split(',');
  if (words.includes('NEVER')) return words.length === 1 ? 'NEVER' : REFUSALS.notifyNever;
  const known = NOTIFY_VALUES.filter((word) => words.includes(word));
  return known.length === words.length ? known.join(',') : REFUSALS.badNotify;
}

/** What two RCPT commands for the same address ask together: nothing that one of them wants to know is kept from the sender. */
export function bothNotify(first: string, second: string): string {
  if (first === second || second === 'NEVER') return first;
  if (first === 'NEVER') return second;
  // No NOTIFY at all asks for FAILURE.
  const words = `${first === '' ? 'FAILURE' : first},${second === '' ? 'FAILURE' : second}`.split(',');
  return NOTIFY_VALUES.filter((word) => words.includes(word)).join(',');
}

/** A value of ORCPT as it is kept: `utf-8` addresses in their ASCII form, which every host can be given. */
export function originalRecipientOf(value: string, smtputf8: boolean): string | Rejection {
  const semicolon = value.indexOf(';');
  const type = value.slice(0, Math.max(0, semicolon));
  if (!/^[A-Za-z0-9][A-Za-z0-9-]*$/.test(type)) return REFUSALS.badOriginalRecipient;
  const kept =
    smtputf8 && type.toLowerCase() === 'utf-8'
      ? `${type};${asciiForm(value.slice(semicolon + 1))}`
      : (octetsAsUtf8(type, value.slice(semicolon + 1)) ?? value);
  const read = kept.length <= MAX_ORIGINAL_RECIPIENT ? split(kept) : undefined;
  if (read === undefined || read.address === '') return REFUSALS.badOriginalRecipient;
  return isPrintable(read.address, read.type.toLowerCase() === 'utf-8')
    ? kept
    : REFUSALS.badOriginalRecipient;
}

/** Only what is beyond ASCII is encoded: the rest is as the client wrote it, and checked with the rest. */
function asciiForm(address: string): string {
  return address.replace(/[^ -~]+/gu, encodeUtf8Address);
}

/**
 * `rfc822;+C3+BCser@x.example`, as Postfix writes an address beyond ASCII (and bounces the message when that is refused): its octets in xtext,
 * which RFC 3461 does not allow. Kept as what RFC 6533 §3 has for it.
 */
function octetsAsUtf8(type: string, xtext: string): string | undefined {
  if (type.toLowerCase() !== 'rfc822' || !/\+[89A-F]/.test(xtext)) return undefined;
  const octets = Buffer.from(decodeXtext(xtext) ?? '', 'latin1');
  return octets.length > 0 && isUtf8(octets)
    ? `utf-8;${encodeUtf8Address(octets.toString('utf8'))}`
    : undefined;
}

/** No control can come out of a report's fields, however it was encoded. */
function isPrintable(text: string, beyondAscii = false): boolean {
  return beyondAscii ? !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(text) : /^[ -~]*$/.test(text);
}
