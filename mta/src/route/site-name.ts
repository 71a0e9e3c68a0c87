import { createHash } from 'node:crypto';
import type { MxHost } from './route.ts';

/** Longer names are shortened to the first host, the number of further ones and a hash. */
export const MAX_SITE_NAME = 200;
/** 128 bits: nobody can publish an MX set that takes the name of another. */
const HASH_DIGITS = 32;
/** What host names and addresses consist of. */
const PLAIN = /^[\w.:-]+$/;
const MAX_FIRST_HOST = 150;

/**
 * Name of the site that a sorted set of hosts is. Hosts of one preference are joined by `,`, preferences by `>`. The numbers themselves
 * change nothing about where mail goes: `10 a, 20 b` and `1 a, 2 b` are one site. A port other than the usual follows its host,
 * the user of AUTH precedes it. `|`, `=` and `%` are in no name: keys of limits give them a meaning.
 *
 * Example: `mx1.example,mx2.example>backup.example:2525`; one host: `mx.example`; shortened: `mx1.example+30~` and 32 hexadecimal digits
 *
 * @param hosts sorted by preference and name
 * @param smtpPort the usual port, which the name leaves out
 */
export function siteName(hosts: readonly MxHost[], smtpPort: number): string {
  let name = '';
  let before: MxHost | undefined;
  for (const host of hosts) {
    if (before !== undefined) name += before.preference === host.preference ? ',' : '>';
    name += placeName(host, smtpPort);
    before = host;
  }
  if (name.length <= MAX_SITE_NAME) return name;
  const hash = createHash('sha256').update(name).digest('hex').slice(0, HASH_DIGITS);
  return `${escaped(hosts[0]?.name ?? '').slice(0, MAX_FIRST_HOST)}+${hosts.length - 1}~${hash}`;
}

function placeName({ name, port, auth }: MxHost, smtpPort: number): string {
  const host = name.includes(':') ? `[${escaped(name)}]` : escaped(name);
  const place = port === smtpPort ? host : `${host}:${port}`;
  return auth === undefined ? place : `${escaped(auth.username)}@${place}`;
}

/** `alice@shop.example` → `alice!40shop.example`: octets of UTF-8 in hexadecimal, so that no two texts become one. */
function escaped(text: string): string {
  if (PLAIN.test(text)) return text;
  let name = '';
  for (const octet of Buffer.from(text)) {
    const character = String.fromCharCode(octet);
    name += PLAIN.test(character) ? character : `!${octet.toString(16).padStart(2, '0')}`;
  }
  return name;
}
