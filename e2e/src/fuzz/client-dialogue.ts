import type { Random } from './random.ts';

/** What a client of the listener does; texts have one character for an octet. */
export interface ClientDialogue {
  /** In the clear, or under TLS from the first octet where the listener wants that; each piece is a write of its own. */
  readonly pieces: readonly string[];
  /** After these are written and `STARTTLS` is answered with 220: the rest, under TLS. */
  readonly underTls: readonly string[] | undefined;
  /** `HalfClose`: says that nothing more comes and reads to the end. `Abort`: cuts the connection. `Silence`: waits to be sent away. */
  readonly ending: 'HalfClose' | 'Abort' | 'Silence';
}

const PATHS = [
  'a@client.example',
  'b.c+d@client.example',
  '',
  '"a b"@client.example',
  '@r.example:a@client.example',
  '\xc3\xa9@b\xc3\xbccher.example',
  'a@[192.0.2.1]',
  'a@[IPv6:::1]',
  'user',
  'a@-b.example',
  'a b@client.example',
  `${'l'.repeat(65)}@client.example`,
  'a@\xff.example',
  'a\x07@client.example',
] as const;
/** What the local part asks of the store is in {@link storeAnswer}. */
const RECIPIENTS = ['ok@dest.example', 'ok@dest.example', 'ok2@dest.example', 'slow@dest.example'] as const;
const ODD_RECIPIENTS = ['full@dest.example', 'throw@dest.example', 'gone@dest.example', ...PATHS] as const;
const MAIL_PARAMETERS = [
  '',
  '',
  '',
  ' SIZE=100',
  ' SIZE=999999999',
  ' BODY=8BITMIME',
  ' BODY=BINARYMIME',
  ' SMTPUTF8',
  ' SMTPUTF8 BODY=8BITMIME',
  ' AUTH=<>',
  ' RET=HDRS ENVID=a+2Bb',
  ' SIZE=1 SIZE=2',
  ' X=Y',
  '  ',
] as const;
const RCPT_PARAMETERS = [
  '',
  '',
  '',
  ' NOTIFY=NEVER',
  ' ORCPT=rfc822;a+0D+0Ab',
  ' X',
  ' NOTIFY=NEVER,FAILURE',
] as const;
const WORDS = [
  '\r\n',
  '\r\n',
  '\r\n',
  'word',
  'two words',
  '.',
  '..',
  '\r\n.',
  '\r\n..',
  '\t',
  '\xe9',
  'Subject: x\r\n',
  'To: a\r\n b\r\n',
  '\r\n\r\n',
] as const;
const DANGEROUS = [
  '\n',
  '\r',
  '\0',
  '\n.\n',
  '\r.\r',
  '\n.\r\n',
  '\r\n.\n',
  '\r\n.\r',
  '\r\r\n',
  'x'.repeat(999),
  '\r\nMAIL FROM:<evil@x.example>\r\nRCPT TO:<ok@dest.example>\r\nDATA\r\nevil\r\n.\r\n',
  '\nRSET\nMAIL FROM:<evil@x.example>\nRCPT TO:<ok@dest.example>\nDATA\nevil\n.\n',
] as const;
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const ODD_COMMANDS = [
  'NOOP',
  'NOOP a b',
  'RSET',
  'RSET x',
  'VRFY a',
  'HELP',
  'EXPN a',
  'ETRN a',
  'BDAT',
  'BDAT -1',
  'BDAT 5 LAST LAST',
  'DATA',
  'DATA x',
  'STARTTLS x',
  'AUTH',
  'AUTH PLAIN',
  'AUTH PLAIN =',
  `AUTH PLAIN ${base64('\0user\0secret')}`,
  `AUTH PLAIN ${base64('\0user\0wrong')}`,
  `AUTH LOGIN\r\n${base64('user')}\r\n${base64('secret')}`,
  'AUTH LOGIN\r\n*',
  'AUTH CRAM-MD5',
  'EHLO',
  'EHLO other.example',
  'HELO other.example',
  'EHLO \x01',
  '',
  ' ',
  'MAIL',
  'MAIL FROM',
  'RCPT TO',
  'QUIT x',
  'GET / HTTP/1.1',
  '\xff\xfe\xfd',
  '\0',
  'X'.repeat(600),
  'X'.repeat(13_000),
  '\x16\x03\x01\x02\x00\x01',
] as const;

/** What the store answers to a message, by its first recipient. */
export function storeAnswer(recipient: string): 'Stored' | 'Slow' | 'Full' | 'Throws' | 'Shuts' {
  if (recipient.startsWith('slow@')) return 'Slow';
  if (recipient.startsWith('full@')) return 'Full';
  if (recipient.startsWith('throw@')) return 'Throws';
  return recipient.startsWith('gone@') ? 'Shuts' : 'Stored';
}

/** A text of a message, before dots are stuffed. */
function text(random: Random): string {
  const dangerous = random.chance(0.25);
  let made = random.chance(0.9) ? 'From: a@client.example\r\n' : '';
  for (const word of random.many(WORDS, 14))
    made += dangerous && random.chance(0.2) ? random.one(DANGEROUS) : word;
  if (random.chance(0.02)) made += 'line of text\r\n'.repeat(2_000);
  return made.endsWith('\r\n') || random.chance(0.1) ? made : `${made}\r\n`;
}

function inData(random: Random): string {
  const body = text(random);
  const stuffed = random.chance(0.7) ? body.replace(/(^|\r\n)\./g, '$1..') : body;
  return `DATA\r\n${stuffed}.\r\n`;
}

function inChunks(random: Random): string {
  const parts = random.cut(text(random), 4);
  if (random.chance(0.2)) parts.push('');
  const wrongSize = random.chance(0.05) ? 1 : 0;
  return parts
    .map((part, index) => {
      const last = index === parts.length - 1 && random.chance(0.95) ? ' LAST' : '';
      const odd = random.chance(0.04) ? `${random.one(ODD_COMMANDS)}\r\n` : '';
      return `${odd}BDAT ${part.length + wrongSize}${last}\r\n${part}`;
    })
    .join('');
}

function transaction(random: Random, sanity: number): string {
  const sane = (): boolean => random.chance(sanity);
  let made = '';
  const odd = (): void => {
    if (!sane()) made += `${random.one(ODD_COMMANDS)}\r\n`;
  };
  odd();
  if (sane())
    made += `MAIL FROM:<${sane() ? PATHS[0] : random.one(PATHS)}>${sane() ? '' : random.one(MAIL_PARAMETERS)}\r\n`;
  odd();
  const recipients = 1 + random.below(random.chance(0.1) ? 8 : 3);
  for (let count = 0; count < recipients; count++) {
    if (!sane()) continue;
    const path = sane() ? random.one(RECIPIENTS) : random.one(ODD_RECIPIENTS);
    made += `RCPT TO:<${path}>${sane() ? '' : random.one(RCPT_PARAMETERS)}\r\n`;
  }
  odd();
  return made + (random.chance(0.55) ? inData(random) : inChunks(random));
}

/** Octets changed at random: what no grammar thinks of. */
function mutated(random: Random, octets: string): string {
  let made = octets;
  for (let count = 1 + random.below(4); count > 0; count--) {
    const at = random.below(made.length + 1);
    const length = random.below(random.chance(0.2) ? 60 : 4);
    const put = random.chance(0.5)
      ? random.one(['\r', '\n', '\r\n', '.', '\0', ' ', '<', '>', '"', '\x80', '=', 'LAST', ...DANGEROUS])
      : random.chance(0.5)
        ? made.slice(at, at + 30)
        : '';
    made = made.slice(0, at) + put + made.slice(at + length);
  }
  return made;
}

function session(random: Random): string {
  const sanity = random.one([0.98, 0.9, 0.7]);
  let made = random.chance(sanity) ? `${random.chance(0.9) ? 'EHLO' : 'HELO'} client.example\r\n` : '';
  for (let count = random.below(4); count > 0; count--) made += transaction(random, sanity);
  if (random.chance(0.3)) made += 'QUIT\r\n';
  if (random.chance(0.2)) made = mutated(random, made);
  return random.chance(0.05) ? made.replaceAll('\r\n', '\n') : made;
}

/** A dialogue; `startTls` where the listener offers STARTTLS. */
export function clientDialogue(random: Random, startTls: boolean): ClientDialogue {
  const cuts = random.one([0, 0, 3, 12, 60]);
  const ending = random.chance(0.85) ? 'HalfClose' : random.chance(0.8) ? 'Abort' : 'Silence';
  const first = session(random);
  if (!startTls || !random.chance(0.3))
    return { pieces: random.cut(first, cuts), underTls: undefined, ending };
  const before = random.chance(0.5) ? first.replace(/QUIT\r\n$/, '') : 'EHLO client.example\r\n';
  const behind = random.chance(0.1) ? 'EHLO evil.example\r\n' : '';
  return {
    pieces: random.cut(`${before}STARTTLS\r\n${behind}`, behind === '' ? cuts : 0),
    underTls: random.cut(session(random), cuts),
    ending,
  };
}
