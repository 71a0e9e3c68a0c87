import { domainToASCII } from 'node:url';
import type { HeaderSection } from './header-section.ts';

/** RFC 1035 §2.3.4, with the underscore that some use; what passes is safe as a part of a path too. */
const DOMAIN = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_](?:[a-z0-9_-]{0,62}))*$/;

/** Characters of a domain in U-labels, one an octet: each may stand for up to four of UTF-8. */
const MAX_WRITTEN = 1_012;

/** Whether this is a domain in lower case A-labels. */
export function isDomain(text: string): boolean {
  return DOMAIN.test(text);
}

/**
 * The one domain of the author (the RFC 5322 From field) in lower case A-labels, `''` when there is none or more than one: a missing
 * or repeated From field, several mailboxes in different domains, an address literal.
 *
 * Example: `From: "a@x.example" <news@Shop.example>` → `shop.example`
 */
export function authorDomain(section: HeaderSection): string {
  let value: string | undefined;
  for (const field of section.fields) {
    if (field.name !== 'from') continue;
    if (value !== undefined) return '';
    value = section.text.slice(field.colon + 1, field.end);
  }
  return value === undefined ? '' : domainOfMailboxes(value);
}

function domainOfMailboxes(value: string): string {
  let found = '';
  for (const mailbox of withoutQuotesAndComments(value).split(/[,;]/)) {
    const angle = mailbox.lastIndexOf('<');
    const address = angle === -1 ? withoutGroupName(mailbox) : insideAngle(mailbox, angle);
    const at = address.lastIndexOf('@');
    if (at === -1) continue;
    const domain = asciiDomain(address.slice(at + 1));
    if (domain === '' || (found !== '' && found !== domain)) return '';
    found = domain;
  }
  return found;
}

/** Outside angle brackets a colon ends the name of a group (RFC 5322 §3.4). */
function withoutGroupName(mailbox: string): string {
  return mailbox.slice(mailbox.indexOf(':') + 1);
}

function insideAngle(mailbox: string, angle: number): string {
  const end = mailbox.indexOf('>', angle);
  return end === -1 ? mailbox.slice(angle + 1) : mailbox.slice(angle + 1, end);
}

function asciiDomain(written: string): string {
  const trimmed = written.trim();
  // The root's dot may stand at the end; more text than any domain has is none.
  const text = trimmed.endsWith('.') ? trimmed.slice(0, -1) : trimmed;
  if (text.length > MAX_WRITTEN) return '';
  const lower = text.toLowerCase();
  if (isDomain(lower)) return lower;
  // `domainToASCII` takes more than domains (numbers, escapes): only letters above ASCII are for it.
  const unicode = Buffer.from(text, 'latin1').toString('utf8');
  if (!/^[\p{L}\p{M}\p{N}._-]+$/u.test(unicode)) return '';
  const ascii = domainToASCII(unicode);
  return isDomain(ascii) ? ascii : '';
}

/** The value with quoted strings as one letter and without comments, which nest (RFC 5322 §3.2.2). */
function withoutQuotesAndComments(value: string): string {
  if (!/["(]/.test(value)) return value;
  let text = '';
  let quoted = false;
  let comments = 0;
  for (let index = 0; index < value.length; index++) {
    const character = value[index]!;
    if (character === '\\' && (quoted || comments > 0)) index++;
    else if (quoted) quoted = character !== '"';
    else if (character === '(') comments++;
    else if (comments > 0) {
      if (character === ')') comments--;
    } else if (character === '"') {
      quoted = true;
      text += 'q';
    } else text += character;
  }
  return text;
}
