import { createHash } from 'node:crypto';
import type { MxHost } from './route.ts';

/** Longer names are shortened to the first host, the number of further ones and a hash. */
export const MAX_SITE_NAME = 200;
const HASH_DIGITS = 12;
const MAX_FIRST_HOST = 170;

/**
 * Name of the site that a sorted set of hosts is. Hosts of one preference are joined by `,`, preferences by `>`. The numbers themselves
 * change nothing about where mail goes: `10 a, 20 b` and `1 a, 2 b` are one site. A port other than the usual follows its host,
 * the user of AUTH precedes it.
 *
 * Example: `mx1.example,mx2.example>backup.example:2525`; one host: `mx.example`; shortened: `mx1.example+30~5f2b6a0c19de`
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
  return `${hosts[0]?.name.slice(0, MAX_FIRST_HOST)}+${hosts.length - 1}~${hash}`;
}

function placeName({ name, port, auth }: MxHost, smtpPort: number): string {
  const host = name.includes(':') ? `[${name}]` : name;
  const place = port === smtpPort ? host : `${host}:${port}`;
  return auth === undefined ? place : `${encodeURIComponent(auth.username)}@${place}`;
}
