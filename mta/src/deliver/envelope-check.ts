import type { Reply } from '../spool/mod.ts';
import { isDangerous } from './body-check.ts';
import type { Capabilities } from './capabilities.ts';
import type { Transaction } from './transaction.ts';

/** Printable ASCII without space and angle brackets: nearly every address. */
const PLAIN_ADDRESS = /^[\x21-\x3b\x3d\x3f-\x7e]*$/;
/** What would end the path or the command early (CR, LF, NUL, space, brackets), and every other control character. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const DANGEROUS = /[\x00-\x20<>\x7f-\x9f]/;
/** RFC 5321 §4.1.2: between the quotes of a local part, space and brackets are text. */
const QUOTED_ADDRESS =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it keeps out
  /^"(?:[^\x00-\x1f"\\\x7f-\x9f]|\\[\x20-\x7e])*"@[^\x00-\x20"<>@\x7f-\x9f]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is meant
const ASCII = /^[\x00-\x7f]*$/;

/** Why this peer cannot be given this message at all, or `undefined`. No conversion is ever made: it would break signatures. */
export function refusalOfMessage(
  transaction: Transaction,
  sizeBytes: number,
  capabilities: Capabilities,
): Reply | undefined {
  if (!isSafeAddress(transaction.sender)) {
    return local(553, '5.1.7', 'the sender address contains a character that SMTP cannot carry');
  }
  if (sizeBytes > capabilities.maxSizeBytes) {
    return local(
      552,
      '5.3.4',
      `message of ${sizeBytes} octets, the peer takes at most ${capabilities.maxSizeBytes}`,
    );
  }
  if (transaction.eightBit && !capabilities.eightBitMime) {
    return local(554, '5.6.3', 'the message has 8-bit content and the peer does not offer 8BITMIME');
  }
  if (!capabilities.smtputf8 && needsSmtputf8(transaction)) {
    return local(553, '5.6.7', 'the message needs SMTPUTF8 and the peer does not offer it');
  }
  if (isDangerous(transaction.body)) {
    return local(554, '5.6.11', 'the message contains a bare CR, a bare LF or a NUL');
  }
  return undefined;
}

/** Why this recipient is not named to any peer, or `undefined`. */
export function refusalOfRecipient(recipient: string): Reply | undefined {
  if (recipient !== '' && isSafeAddress(recipient)) return undefined;
  return local(553, '5.1.3', 'the recipient address contains a character that SMTP cannot carry');
}

/** RFC 6531 §3.4: the parameter is needed for the headers' sake (the flag) or for an address. */
export function needsSmtputf8(transaction: Transaction): boolean {
  return (
    transaction.smtputf8 ||
    !ASCII.test(transaction.sender) ||
    // One that is named to no peer asks nothing of this one.
    !transaction.recipients.every((recipient) => ASCII.test(recipient) || !isSafeAddress(recipient))
  );
}

function isSafeAddress(address: string): boolean {
  return PLAIN_ADDRESS.test(address) || !DANGEROUS.test(address) || QUOTED_ADDRESS.test(address);
}

function local(code: number, enhanced: string, text: string): Reply {
  return { code, enhanced, text, host: '' };
}
