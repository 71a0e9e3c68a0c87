import { domainToASCII } from 'node:url';
import { canonicalAddress, isDomainName, normalDomain } from '@sluice/crds';

/** What stands behind the `@` of a recipient. */
export type MailDomain =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'literal'; readonly name: string; readonly address: string };

/**
 * Reads a domain or an address literal (RFC 5321 §4.1.3). `undefined` = neither.
 *
 * Examples: `Bücher.Example` → the name `xn--bcher-kva.example`; `[IPv6:2001:DB8::1]` → the address `2001:db8::1`
 */
export function parseMailDomain(text: string): MailDomain | undefined {
  if (text.startsWith('[')) return parseLiteral(text);
  const name = normalDomain(isAscii(text) ? text : toALabels(text));
  return isHostName(name) ? { kind: 'name', name } : undefined;
}

function parseLiteral(text: string): MailDomain | undefined {
  const [, tag, inside = ''] = /^\[(ipv6:)?([0-9a-f:.]+)\]$/i.exec(text) ?? [];
  const address = canonicalAddress(inside);
  if (address === undefined || address.includes(':') !== (tag !== undefined)) return undefined;
  return { kind: 'literal', name: tag === undefined ? `[${address}]` : `[ipv6:${address}]`, address };
}

/** A domain name whose last label is not a number: `192.0.2.1` is an address, not a name. */
export function isHostName(name: string): boolean {
  return isDomainName(name) && !/(^|\.)\d+$/.test(name);
}

/** What may stand in an internationalised name: the URL parser behind `domainToASCII` gives `/`, `@`, `%` meanings of their own. */
const INTERNATIONAL = /^[-\w.\u{80}-\u{10ffff}]+$/u;

function toALabels(text: string): string {
  return INTERNATIONAL.test(text) ? domainToASCII(text) : '';
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}
