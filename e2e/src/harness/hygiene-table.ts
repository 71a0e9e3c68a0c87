/**
 * What a message may look like and what becomes of it: one table for every way in. Texts have one character for an octet.
 *
 * `Taken`: arrives octet by octet. `Bare`: has a CR or LF that stands alone; refused under `bareLineEnding: Reject`, and under `Normalize` it arrives with
 * each of them as CRLF. `Refused`: never taken.
 */
export type HygieneRow = {
  readonly name: string;
  readonly text: string;
} & ({ readonly verdict: 'Taken' | 'Bare' } | { readonly verdict: 'Refused'; readonly reply: RegExp });

const FIELDS =
  'From: a@client.example\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@client.example>\r\n';

/** Commands that an attacker wants to see run in another's name. */
export const EVIL =
  'MAIL FROM:<admin@bank.example>\r\nRCPT TO:<victim@chunks.example>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n';

/** What some server somewhere has taken for the end of the data (CVE-2023-51764, -51765, -51766 and their kin). */
export const FALSE_ENDS: readonly string[] = [
  '\n.\n',
  '\n.\r\n',
  '\n.\r',
  '\r.\n',
  '\r.\r',
  '\r.\r\n',
  '\r\n.\n',
  '\r\n.\r',
  '\n\n.\n\n',
  '\r\r\n.\r\r\n',
  '\r\n.\r\r\n',
  '\r\n\n.\r\n',
  '\n\r.\n\r',
  '\r\n.\n\r\n',
];

const falseEnds = FALSE_ENDS.map((sequence): HygieneRow => {
  return {
    name: `a false end ${JSON.stringify(sequence)}`,
    text: `${FIELDS}\r\ntext${sequence}${EVIL}`,
    verdict: 'Bare',
  };
});

const withNul = ['\r\n\0.\r\n', '\r\n.\0\r\n', '\0\r\n.\0', '\n\0.\n'].map((sequence): HygieneRow => {
  const reply = sequence.startsWith('\n') ? /^550 5\.6\.11 (NUL|Bare LF)/ : /^550 5\.6\.11 NUL/;
  return {
    name: `NUL near an end ${JSON.stringify(sequence)}`,
    text: `${FIELDS}\r\ntext${sequence}${EVIL}`,
    verdict: 'Refused',
    reply,
  };
});

const taken = (name: string, text: string): HygieneRow => ({ name, text, verdict: 'Taken' });
const bare = (name: string, text: string): HygieneRow => ({ name, text, verdict: 'Bare' });
const refused = (name: string, text: string, reply: RegExp): HygieneRow => ({
  name,
  text,
  verdict: 'Refused',
  reply,
});

export const HYGIENE_ROWS: readonly HygieneRow[] = [
  ...falseEnds,
  ...withNul,
  taken('an ordinary text', `${FIELDS}\r\nHello\r\n`),
  taken('no body', `${FIELDS}\r\n`),
  taken('a header without an empty line behind it', FIELDS),
  taken('blank lines at the end', `${FIELDS}\r\nHello\r\n\r\n\r\n`),
  taken('lines of dots', `${FIELDS}\r\n.\r\n..\r\n...\r\n. \r\n.x\r\n`),
  taken('a body that is one dot', `${FIELDS}\r\n.\r\n`),
  taken('a body that looks like a whole dialogue', `${FIELDS}\r\nQUIT\r\n.\r\n${EVIL}.\r\nQUIT\r\n`),
  taken('a dot as first octet of the header', `.Odd: 1\r\n${FIELDS}\r\nx\r\n`),
  taken('octets above 127, in header and body', `${FIELDS}X: \xe9\r\n\r\n\x80\xff\xc3\xa9\r\n`),
  taken('all control characters but NUL, CR and LF', `${FIELDS}\r\n\x01\x07\x08\x0b\x0c\x1a\x1b\x7f\x85\r\n`),
  taken('a line of 998 octets', `${FIELDS}\r\n${'x'.repeat(998)}\r\n`),
  taken('a line of 998 octets that begins with a dot', `${FIELDS}\r\n.${'x'.repeat(997)}\r\n`),
  taken('a folded field', `Subject: a\r\n b\r\n\tc\r\n${FIELDS}\r\nx\r\n`),
  taken('64 KB of stuffed lines', `${FIELDS}\r\n${'.\r\n'.repeat(22_000)}`),
  refused('a line of 999 octets', `${FIELDS}\r\n${'x'.repeat(999)}\r\n`, /^550 5\.6\.0 Line of more/),
  refused(
    'a field of 999 octets',
    `X: ${'x'.repeat(996)}\r\n${FIELDS}\r\nx\r\n`,
    /^550 5\.6\.0 Line of more/,
  ),
  refused('NUL in the text', `${FIELDS}\r\na\0b\r\n`, /^550 5\.6\.11 NUL/),
  refused('NUL in the header', `Subject: a\0b\r\n${FIELDS}\r\nx\r\n`, /^550 5\.6\.11 NUL/),
  refused('300 KB of header', `${'X: y\r\n'.repeat(50_000)}${FIELDS}\r\nx\r\n`, /^550 5\.6\.0 Header/),
  refused('1,001 fields', `${'X: y\r\n'.repeat(1001)}\r\nx\r\n`, /^550 5\.6\.0 Too many header/),
  refused('101 Received fields', `${'Received: by x\r\n'.repeat(101)}${FIELDS}\r\nx\r\n`, /^554 5\.4\.6 /),
  bare('a bare LF in the header', `Subject: a\nBcc: evil@x.example\r\n${FIELDS}\r\nx\r\n`),
  bare('a bare CR in the header', `Subject: a\rBcc: evil@x.example\r\n${FIELDS}\r\nx\r\n`),
  bare('lines that end in LF alone', `${FIELDS}\r\n1\n2\n3\nend\r\n`),
  bare('CR CR LF', `${FIELDS}\r\n1\r\r\n2\r\n`),
];

/** What arrives, as far as the client's own octets go. */
export function arrivesAs({ text, verdict }: HygieneRow): string {
  return verdict === 'Bare' ? text.replace(/\r\n|\r|\n/g, '\r\n') : text;
}

/** Addresses as they are written and as they must stand in the RCPT that reaches the host; `undefined` = refused. */
export const ADDRESS_ROWS: readonly (readonly [written: string, arrives: string | undefined])[] = [
  ['user@chunks.example', 'user@chunks.example'],
  ["o'brien+a=b/c%d!e@chunks.example", "o'brien+a=b/c%d!e@chunks.example"],
  ['user%victim.example@chunks.example', 'user%victim.example@chunks.example'],
  ['@relay.example,@other.example:user@chunks.example', 'user@chunks.example'],
  ['"quoted"@chunks.example', '"quoted"@chunks.example'],
  ['"a b"@chunks.example', '"a b"@chunks.example'],
  ['"a>b<c"@chunks.example', '"a>b<c"@chunks.example'],
  ['"a\\"b"@chunks.example', '"a\\"b"@chunks.example'],
  ['"x@y> NOTIFY=NEVER"@chunks.example', '"x@y> NOTIFY=NEVER"@chunks.example'],
  ['\xc3\xbcser@chunks.example', '\xc3\xbcser@chunks.example'],
  ['\xc3\xbcser@b\xc3\xbccher.chunks.example', '\xc3\xbcser@xn--bcher-kva.chunks.example'],
  ['u\xcc\x88ser@chunks.example', 'u\xcc\x88ser@chunks.example'],
  [`${'l'.repeat(64)}@chunks.example`, `${'l'.repeat(64)}@chunks.example`],
  [`${'l'.repeat(65)}@chunks.example`, undefined],
  ['user@b\xc3\xbccher.chunks.example/x', undefined],
  ['user@chunks.example\x0b', undefined],
  ['us\x7fer@chunks.example', undefined],
  ['us er@chunks.example', undefined],
  ['user@chunks.example> BODY=8BITMIME', undefined],
  ['user@\xff.example', undefined],
];

/** Command lines that carry what no command may carry; none of them may have an effect beyond its reply. */
export const COMMAND_ROWS: readonly (readonly [octets: string, reply: RegExp])[] = [
  ['MAIL FROM:<a@b.example>\rRCPT TO:<victim@chunks.example>\r\n', /^500 5\.5\.2 /],
  ['MAIL FROM:<a@b.example\0>\r\n', /^500 5\.5\.2 /],
  ['MAIL FROM:<a@b.example> AUTH=+ZZ\x01\r\n', /^5\d\d /],
  ['MAIL FROM:<"a\rb"@b.example>\r\n', /^500 5\.5\.2 /],
  ['MAIL FROM:<"a\x08b"@b.example>\r\n', /^501 5\.1\.7 /],
  ['MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n', /^501 5\.5\.4 /],
  ['MAIL FROM:<a@b.example>SIZE=1\r\n', /^501 5\.5\.4 /],
  ['MAIL FROM:<a@b.example\r\n', /^501 5\.5\.4 /],
  ['MAIL FROM:<a@b.example> ENVID=a+0D+0ARCPT\r\n', /^501 5\.5\.4 /],
  ['MAIL FROM:<a@b.example> ENVID=a+00\r\n', /^501 5\.5\.4 /],
  ['MAIL FROM:<a@b.example> ENVID=a=b\r\n', /^501 5\.5\.4 /],
  ['MAIL FROM:<a@b.example> ENVID=+ZZ\r\n', /^501 5\.5\.4 /],
  ['EHLO evil\x0bexample\r\n', /^501 5\.5\.4 /],
  ['EHLO evil.example (comment)\r\n', /^501 5\.5\.4 /],
  ['EHLO <evil.example>\r\n', /^501 5\.5\.4 /],
  ['EHLO [127.0.0.1]]\r\n', /^501 5\.5\.4 /],
  [`EHLO ${'a'.repeat(256)}\r\n`, /^501 5\.5\.4 /],
  [`NOOP ${'x'.repeat(13_000)}\r\n`, /^500 5\.5\.2 /],
  ['\xff\xfe\r\n', /^500 5\.5\.2 /],
];
