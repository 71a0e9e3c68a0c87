import { isIPv4, isIPv6 } from 'node:net';
import { decodeXtext, encodeUtf8Address, originalRecipientOf, type Reply } from '../spool/mod.ts';
import { fieldDate, foldedField, isAscii, oneLine } from './report-text.ts';
import type { ReportedRecipient, StatusReport } from './status-report.ts';

/**
 * The body of message/delivery-status (RFC 3464 §2): fields of the message, then of each recipient.
 *
 * @param global message/global-delivery-status (RFC 6533 §4): UTF-8 as it is; otherwise ASCII only
 */
export function statusFields(
  { hostname, envelope, recipients }: Pick<StatusReport, 'hostname' | 'envelope' | 'recipients'>,
  global: boolean,
): string {
  let text = `Reporting-MTA: dns; ${oneLine(hostname, false)}\r\n`;
  const envelopeId = oneLine(decodeXtext(envelope.statusRequest?.envelopeId ?? '') ?? '', false);
  if (envelopeId !== '') text += foldedField('Original-Envelope-Id', envelopeId);
  text += `Arrival-Date: ${fieldDate(envelope.acceptedAtMs)}\r\n`;
  for (const recipient of recipients) text += `\r\n${recipientFields(recipient, global)}`;
  return text;
}

function recipientFields(recipient: ReportedRecipient, global: boolean): string {
  const { address, originalRecipient, action, reply, atMs, untilMs } = recipient;
  const original = originalRecipient === '' ? undefined : originalRecipientOf(originalRecipient);
  const remote = reply.host === '' ? '' : `Remote-MTA: dns; ${remoteName(reply.host)}\r\n`;
  return (
    (original === undefined
      ? ''
      : `Original-Recipient: ${typedAddress(original.type, original.address, global)}\r\n`) +
    `Final-Recipient: ${typedAddress(isAscii(address) ? 'rfc822' : 'utf-8', address, global)}\r\n` +
    `Action: ${action}\r\nStatus: ${statusOf(recipient)}\r\n${remote}` +
    foldedField('Diagnostic-Code', diagnosticOf(reply, global)) +
    `Last-Attempt-Date: ${fieldDate(atMs)}\r\n` +
    (untilMs === undefined ? '' : `Will-Retry-Until: ${fieldDate(untilMs)}\r\n`)
  );
}

/** The enhanced status code that the reply has, or the general one of its class (RFC 3463 §2). */
export function statusOf({ action, reply }: Pick<ReportedRecipient, 'action' | 'reply'>): string {
  const { code, enhanced } = reply;
  const digit = Math.trunc(code / 100);
  const classDigit = action === 'relayed' ? 2 : action === 'delayed' ? 4 : digit === 4 ? 4 : 5;
  return /^[245]\.\d{1,3}\.\d{1,3}$/.test(enhanced) && enhanced.startsWith(`${classDigit}.`)
    ? enhanced
    : `${classDigit}.0.0`;
}

/** Only what a peer said is of type smtp (RFC 3464 §2.3.6); a reply that Sluice made itself says so. */
function diagnosticOf({ code, enhanced, text, host }: Reply, global: boolean): string {
  const type = host === '' ? 'x-sluice' : 'smtp';
  return oneLine(`${type}; ${code}${enhanced === '' ? '' : ` ${enhanced}`} ${text}`, global);
}

/** Address type and address on one line: never folded, because a blank may belong to the address. */
function typedAddress(type: string, address: string, global: boolean): string {
  if (isAscii(address) || (global && type.toLowerCase() === 'utf-8')) {
    return `${type}; ${oneLine(address, global)}`;
  }
  return `utf-8; ${encodeUtf8Address(oneLine(address, true))}`;
}

function remoteName(host: string): string {
  if (isIPv4(host)) return `[${host}]`;
  return isIPv6(host) ? `[IPv6:${host}]` : oneLine(host, false);
}
