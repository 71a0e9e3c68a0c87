import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import type { Random } from './random.ts';

/** Replies that no client expects at the place where they come. */
const ODD_REPLIES = [
  '250 ok\r\n',
  '250-a\r\n250 b\r\n',
  '250-a\r\n550 b\r\n',
  '354 go\r\n',
  '334 \r\n',
  '220 hello\r\n',
  '421 4.3.2 bye\r\n',
  '450 4.2.0 later\r\n',
  '451 4.7.1 greylisted\r\n',
  '550 5.1.1 no\r\n',
  '554 5.7.1 no\r\n',
  '555 5.5.4 no\r\n',
  '500 5.5.1 what\r\n',
  '250\r\n',
  '250ok\r\n',
  '999 a\r\n',
  '000 a\r\n',
  '25',
  '\r\n',
  'hello\r\n',
  '250 a\n',
  '250 a\rb\r\n',
  '250 \0\xff\x1b[31m\r\n',
  `250 ${'x'.repeat(2_000)}\r\n`,
  `${'250-x\r\n'.repeat(100)}250 x\r\n`,
  '250-x\r\n'.repeat(6_000),
  'x'.repeat(40_000),
] as const;
const EXTENSIONS = [
  'PIPELINING',
  'CHUNKING',
  '8BITMIME',
  'SMTPUTF8',
  'SIZE 100000',
  'SIZE',
  'SIZE x',
  'DSN',
] as const;

/** What one host of bad manners saw; the octets of the client are as they were after TLS. */
export interface Seen {
  /** What must never be sent; empty = nothing was. */
  readonly offences: string[];
  /** Messages that it read to their end and answered with 250 in their turn. */
  taken: number;
  /** It said something at another place than its turn: what the client makes of its replies proves nothing. */
  disorderly: boolean;
}

/**
 * The server's end of one connection: a host that mostly does what it should, and now and then says nonsense, says nothing, says it twice, drips,
 * closes, resets, or breaks its TLS. How often is drawn for the connection.
 */
export function serveOddly(raw: Socket, random: Random, secureContext: SecureContext, seen: Seen): void {
  const oddness = random.one([0, 0.02, 0.1, 0.3]);
  const startTls = random.chance(0.4);
  let socket = raw;
  let pending = '';
  let inData = false;
  let deaf = false;
  let chunk: { left: number; readonly last: boolean } | undefined;

  const send = (text: string): void => {
    if (!random.chance(oddness)) {
      socket.write(text, 'latin1');
      return;
    }
    for (const piece of random.cut(text, 6)) socket.write(piece, 'latin1');
  };
  /** The reply at its turn, or something else. `false` = not what was meant. */
  const answer = (usual: string): boolean => {
    if (!random.chance(oddness)) {
      send(usual);
      return true;
    }
    seen.disorderly = true;
    const manner = random.below(10);
    if (manner === 0) return false;
    if (manner === 1) socket.end();
    else if (manner === 2) raw.destroy();
    else if (manner === 3) send(usual + random.one(ODD_REPLIES));
    else if (manner === 4) send(random.one(ODD_REPLIES) + usual);
    else send(random.one(ODD_REPLIES));
    return false;
  };
  const judge = (octets: string): void => {
    const found = /\r(?!\n)|(?<!\r)\n|\0/.exec(octets);
    if (found !== null)
      seen.offences.push(
        `bare in ${JSON.stringify(octets.slice(Math.max(0, found.index - 40), found.index + 40))}`,
      );
    if (octets.includes('victim@')) seen.offences.push(`injected: ${JSON.stringify(octets.slice(0, 200))}`);
  };
  const endOfMessage = (): void => {
    if (answer('250 2.0.0 taken\r\n')) seen.taken++;
  };
  const command = (line: string): void => {
    judge(line);
    const [verb = '', ...words] = line.toUpperCase().split(' ');
    if (verb === 'EHLO') {
      const lines: string[] = [...new Set(random.many(EXTENSIONS, 6))];
      if (startTls && socket === raw) lines.push('STARTTLS');
      answer(`250-odd.example\r\n${lines.map((name) => `250-${name}\r\n`).join('')}250 HELP\r\n`);
    } else if (verb === 'DATA') {
      // A client that goes on at 354 sends text, whatever was meant.
      inData = answer('354 go on\r\n');
    } else if (verb === 'BDAT') {
      chunk = { left: Number(words[0]), last: words[1] === 'LAST' };
    } else if (verb === 'STARTTLS') {
      if (answer('220 go on\r\n')) secure();
    } else if (verb === 'QUIT') {
      if (answer('221 bye\r\n')) socket.end();
    } else if (/^(HELO|MAIL|RCPT|RSET|NOOP)$/.test(verb)) answer('250 ok\r\n');
    else if (!seen.disorderly) seen.offences.push(`unknown command ${JSON.stringify(line.slice(0, 100))}`);
    else answer('500 what\r\n');
  };
  const step = (): boolean => {
    if (chunk !== undefined) {
      const part = pending.slice(0, chunk.left);
      pending = pending.slice(part.length);
      chunk.left -= part.length;
      if (chunk.left > 0) return false;
      const { last } = chunk;
      chunk = undefined;
      if (last) endOfMessage();
      else answer('250 ok\r\n');
      return true;
    }
    if (inData) {
      const end = `\r\n${pending}`.indexOf('\r\n.\r\n');
      if (end === -1) return false;
      judge(pending.slice(0, end));
      pending = pending.slice(end + 3);
      inData = false;
      endOfMessage();
      return true;
    }
    const end = pending.indexOf('\r\n');
    if (end === -1) return false;
    const line = pending.slice(0, end);
    pending = pending.slice(end + 2);
    command(line);
    return true;
  };
  const listen = (): void => {
    socket.on('data', (octets: Buffer) => {
      const text = octets.toString('latin1');
      // Something that was said instead of an answer to STARTTLS was taken for a yes.
      if (text.startsWith('\x16\x03')) deaf = true;
      if (deaf) return;
      pending += text;
      // Where the two no longer agree what is text and what is a command, only the octets are judged.
      if (seen.disorderly && /[^\r]\n|\r[^\n]|\0/.test(text)) judge(text);
      while (step());
    });
    socket.on('error', () => raw.destroy());
  };
  const secure = (): void => {
    raw.removeAllListeners('data');
    pending = '';
    if (random.chance(oddness)) {
      raw.write(random.one(['no handshake\r\n', '\x15\x03\x01\x00\x02\x02\x28', '']), 'latin1');
      raw.on('data', () => undefined);
      return;
    }
    socket = new TLSSocket(raw, { isServer: true, secureContext });
    socket.once('close', () => raw.destroy());
    listen();
  };
  raw.on('error', () => raw.destroy());
  listen();
  answer('220 odd.example ESMTP\r\n');
}
