import { isIPv4, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';

/** RFC 5321 §4.5.3.1.1: octets of a local part. */
export const MAX_LOCAL_PART = 64;
/** RFC 5321 §4.5.3.1.2: octets of a domain. */
export const MAX_DOMAIN = 255;
/** RFC 5321 §4.5.3.1.3: octets of a path, angle brackets included. */
export const MAX_PATH = 256;

/** A reverse-path or forward-path that can be routed. */
export interface Path {
  readonly ok: true;
  /** Without brackets and source route; the domain as A-labels; `''` = the null reverse-path. */
  readonly address: string;
  /** It was written with octets above 127: allowed only under SMTPUTF8 (RFC 6531 §3.4). */
  readonly international: boolean;
}

/** Why a path cannot be used. */
export type PathFlaw = 'syntax' | 'noDomain' | 'tooLong' | 'badDomain';

export type PathResult = Path | { readonly ok: false; readonly flaw: PathFlaw };

const NULL_PATH: Path = { ok: true, address: '', international: false };
/** The common form, so that it costs one match. Its parts still have their lengths checked. */
const PLAIN =
  /^([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)$/;
const DOT_ATOM = /^[^\s\p{Cc}()<>[\]:;@\\,."]+(?:\.[^\s\p{Cc}()<>[\]:;@\\,."]+)*$/u;
const QUOTED = /^"(?:[^\p{Cc}"\\]|\\[ -~])*"$/u;
const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const SOURCE_ROUTE = /^@[^\s,:@]+(?:,@[^\s,:@]+)*:/;

/**
 * Reads what stands between `<` and `>` of MAIL or RCPT (RFC 5321 §4.1.2, RFC 6531 §3.3). A source route is dropped
 * (RFC 5321 appendix C). A domain in U-labels becomes A-labels, because that is what is looked up in DNS.
 *
 * Example: `parsePath('user@bücher.example')` → `{ ok: true, address: 'user@xn--bcher-kva.example', international: true }`
 */
export function parsePath(text: string): PathResult {
  if (text === '') return NULL_PATH;
  const plain = PLAIN.exec(text);
  if (plain !== null) {
    const [, local = '', domain = ''] = plain;
    return checkParts(local.length, domain) ?? { ok: true, address: text, international: false };
  }
  return parseRarePath(text.startsWith('@') ? text.replace(SOURCE_ROUTE, '') : text);
}

function parseRarePath(text: string): PathResult {
  const at = text.lastIndexOf('@');
  if (at === -1) return flaw(DOT_ATOM.test(text) || QUOTED.test(text) ? 'noDomain' : 'syntax');
  const local = text.slice(0, at);
  const domain = text.slice(at + 1);
  if (!DOT_ATOM.test(local) && !QUOTED.test(local)) return flaw('syntax');
  if (domain === '') return flaw('noDomain');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the range that RFC 6531 adds starts behind ASCII
  const international = /[^\x00-\x7f]/.test(text);
  if (domain.startsWith('[')) {
    return isAddressLiteral(domain)
      ? sized(`${local}@${domain}`, local, domain, international)
      : flaw('badDomain');
  }
  const ascii = toALabels(domain);
  if (ascii === '') return flaw('badDomain');
  return sized(`${local}@${ascii}`, local, ascii, international);
}

/**
 * ASCII domains are left as they were written; others are mapped, lower-cased and checked (UTS 46). `''` = no domain.
 *
 * `domainToASCII` reads what a URL may have behind `//`: it drops a path, decodes `%41` and skips tabs. What would be read otherwise than it is
 * written is refused, or mail would go to a domain that nobody named.
 */
function toALabels(domain: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII is meant
  if (/^[\x00-\x7f]*$/.test(domain)) return domain;
  return /^[A-Za-z0-9.\-\u0080-\u{10ffff}]*$/u.test(domain) ? domainToASCII(domain) : '';
}

function sized(address: string, local: string, domain: string, international: boolean): PathResult {
  return checkParts(Buffer.byteLength(local), domain) ?? { ok: true, address, international };
}

/** Lengths of RFC 5321 §4.5.3.1 and the labels of a domain; a last label of digits only would be an address, not a name. */
function checkParts(localOctets: number, domain: string): PathResult | undefined {
  if (localOctets > MAX_LOCAL_PART || domain.length > MAX_DOMAIN) return flaw('tooLong');
  if (localOctets + 1 + domain.length + 2 > MAX_PATH) return flaw('tooLong');
  if (domain.startsWith('[')) return undefined;
  for (let start = 0; ; ) {
    const dot = domain.indexOf('.', start);
    const label = domain.slice(start, dot === -1 ? domain.length : dot);
    if (!LABEL.test(label)) return flaw('badDomain');
    if (dot === -1) return /^[0-9]+$/.test(label) ? flaw('badDomain') : undefined;
    start = dot + 1;
  }
}

function isAddressLiteral(domain: string): boolean {
  if (!domain.endsWith(']')) return false;
  const inner = domain.slice(1, -1);
  // A zone (`%eth0`) means nothing to another host.
  if (/^ipv6:/i.test(inner)) return isIPv6(inner.slice(5)) && !inner.includes('%');
  return isIPv4(inner);
}

function flaw(name: PathFlaw): PathResult {
  return { ok: false, flaw: name };
}
