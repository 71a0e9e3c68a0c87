const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

let lastSecond = Number.NaN;
let lastDate = '';

/**
 * A date as RFC 5322 §3.3 writes it, in UTC. The text of the last second is kept: thousands of messages share it.
 *
 * Example: `formatDate(0)` → `Thu, 01 Jan 1970 00:00:00 +0000`
 */
export function formatDate(wallMs: number): string {
  const second = Math.floor(wallMs / 1000);
  if (second === lastSecond) return lastDate;
  const date = new Date(second * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${DAYS[date.getUTCDay()]}, ${two(date.getUTCDate())} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
  const time = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  lastSecond = second;
  lastDate = `${day} ${time} +0000`;
  return lastDate;
}

/** How a session came in: everything that its Received fields have in common. */
export interface TraceFacts {
  /** What the client called itself; already checked by {@link isHelloName}. */
  readonly hello: string;
  readonly clientAddress: string;
  readonly hostname: string;
  readonly extended: boolean;
  readonly smtputf8: boolean;
  readonly authenticated: boolean;
  readonly tls: { readonly protocol: string; readonly cipher: string } | undefined;
}

/**
 * The Received field of RFC 5321 §4.4 up to the id: the same for every message of a session, so it is made once.
 *
 * Example: `Received: from app.example ([192.0.2.1]) by mta.example with ESMTPSA id ` (folded)
 */
export function receivedHead(facts: TraceFacts): string {
  const literal = facts.clientAddress.includes(':') ? `IPv6:${facts.clientAddress}` : facts.clientAddress;
  const tls = facts.tls === undefined ? '' : `\r\n\t(${facts.tls.protocol} ${facts.tls.cipher})`;
  return `Received: from ${facts.hello} ([${literal}])\r\n\tby ${facts.hostname} with ${protocolName(facts)}${tls}\r\n\tid `;
}

/** RFC 3848, for SMTPUTF8 RFC 6531 §4.3: `ESMTP`, `ESMTPSA`, `UTF8SMTPS`, …. */
export function protocolName(
  facts: Pick<TraceFacts, 'extended' | 'smtputf8' | 'authenticated' | 'tls'>,
): string {
  if (!facts.extended) return 'SMTP';
  const base = facts.smtputf8 ? 'UTF8SMTP' : 'ESMTP';
  return `${base}${facts.tls === undefined ? '' : 'S'}${facts.authenticated ? 'A' : ''}`;
}

/** What a message lacks besides the Received field that each one gets. */
export interface MissingFields {
  readonly messageId: boolean;
  readonly date: boolean;
  readonly emptyLine: boolean;
}

/**
 * The octets that are put in front of a message: Received, then Message-ID and Date where the client sent none
 * (RFC 6409 §8.2, §8.3).
 */
export function traceHeader(
  head: string,
  id: string,
  wallMs: number,
  hostname: string,
  missing: MissingFields,
): Buffer {
  const date = formatDate(wallMs);
  let text = `${head}${id};\r\n\t${date}\r\n`;
  if (missing.messageId) text += `Message-ID: <${id}@${hostname}>\r\n`;
  if (missing.date) text += `Date: ${date}\r\n`;
  if (missing.emptyLine) text += '\r\n';
  return Buffer.from(text, 'latin1');
}

/** A name that may stand behind EHLO and in a Received field: a domain or address literal, generously read; no blank, bracket or control. */
export function isHelloName(name: string): boolean {
  return name.length <= 255 && /^(?:[A-Za-z0-9._-]+|\[[A-Za-z0-9.:-]+\])$/.test(name);
}
