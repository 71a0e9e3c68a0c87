import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import {
  type AcceptMessage,
  passwordCheck,
  type SmtpListener,
  type SmtpListenerOptions,
  startSmtpListener,
} from '@sluice/mta/intake';
import { openSqliteSpool, type Spool } from '@sluice/mta/spool';
import type { TestKey } from '../harness/test-certificate.ts';
import { type ClientDialogue, clientDialogue, storeAnswer } from './client-dialogue.ts';
import { type Rules, readDialogue } from './listener-oracle.ts';
import { Random } from './random.ts';

const MAX_MESSAGE_BYTES = 20_000;
const IDLE_TIMEOUT_MS = 150;
/** A dialogue that takes longer hangs. */
const MAX_DIALOGUE_MS = 20_000;

interface StoredMail {
  readonly recipients: readonly string[];
  readonly text: string;
}

/** The listeners that are fuzzed: each way in, strict and normalising, all into one spool. */
export interface FuzzedListeners {
  /** Runs one dialogue. Resolves with what is wrong, `undefined` = nothing. */
  run(seed: number, run: number): Promise<string | undefined>;
  /** Everything must be back to what it was at the start; what is not. */
  leftOver(): Promise<readonly string[]>;
  readonly stored: number;
  close(): Promise<void>;
}

interface Variant {
  readonly listener: SmtpListener;
  readonly rules: Rules;
  readonly way: 'Clear' | 'Implicit' | 'Proxied';
}

/**
 * Starts them.
 *
 * Example: `const listeners = await startFuzzedListeners(makeKey()); await listeners.run(1, 0)`
 */
export async function startFuzzedListeners(key: TestKey): Promise<FuzzedListeners> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-fuzz-'));
  const spool = await openSqliteSpool({ path: join(directory, 'spool.sqlite'), minFreeBytes: 0 });
  const byClient = new Map<string, StoredMail[]>();
  const failures: string[] = [];
  let stored = 0;
  const accept = storeInto(spool, byClient, () => stored++);
  const user = { username: 'user', tenant: '', checkPassword: passwordCheck('secret') };
  const start = async (normalize: boolean, way: Variant['way']): Promise<Variant> => {
    const options: SmtpListenerOptions = {
      host: '127.0.0.1',
      port: 0,
      hostname: 'mta.example',
      relayNetworks: ['127.1.0.0/16', '192.0.2.0/24'],
      proxyNetworks: way === 'Proxied' ? ['127.0.0.0/8'] : [],
      bareLineEnding: normalize ? 'Normalize' : 'Reject',
      dsn: normalize,
      tls: { ...key, mode: way === 'Implicit' ? 'Implicit' : 'StartTls' },
      auth: { findUser: (name) => (name === 'user' ? user : undefined), requireTls: !normalize },
      limits: {
        maxMessageBytes: MAX_MESSAGE_BYTES,
        maxRecipients: 5,
        maxMessagesPerConnection: 3,
        maxErrors: 8,
        idleTimeoutMs: IDLE_TIMEOUT_MS,
        commandTimeoutMs: IDLE_TIMEOUT_MS,
        handshakeTimeoutMs: 4 * IDLE_TIMEOUT_MS,
        dataTotalTimeoutMs: 10 * IDLE_TIMEOUT_MS,
      },
    };
    const listener = await startSmtpListener(options, accept, {
      failed(error) {
        if (!(error instanceof Error) || error.message !== 'the store throws') failures.push(String(error));
      },
    });
    return { listener, rules: { normalize, maxMessageBytes: MAX_MESSAGE_BYTES }, way };
  };
  const variants = await Promise.all(
    [false, true].flatMap((normalize) => [
      start(normalize, 'Clear'),
      start(normalize, 'Implicit'),
      start(normalize, 'Proxied'),
    ]),
  );
  return {
    get stored() {
      return stored;
    },
    async run(seed, run) {
      const random = Random.ofRun(seed, run);
      const variant = variants[random.below(variants.length)];
      if (variant === undefined) throw new Error('no variant');
      const address = `127.${random.chance(0.9) ? 1 : 2}.${(run >> 7) & 255}.${(run & 127) + 1}`;
      const mails: StoredMail[] = [];
      byClient.set(address, mails);
      const complaint = await dialogue(variant, random, address, mails);
      byClient.delete(address);
      return failures.pop() ?? complaint;
    },
    async leftOver() {
      const wrong: string[] = [];
      for (const { listener, way } of variants) {
        const giveUpMs = performance.now() + 5_000;
        // A message whose client went away while it was stored is charged until it is stored.
        const busy = (): boolean => listener.connections() > 0 || listener.receivingBytes() > 0;
        while (busy() && performance.now() < giveUpMs) {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        if (listener.connections() > 0) wrong.push(`${way}: ${listener.connections()} connections are open`);
        if (listener.receivingBytes() !== 0)
          wrong.push(`${way}: ${listener.receivingBytes()} octets are charged`);
      }
      let replayed = 0;
      for await (const _ of spool.replay()) replayed++;
      if (replayed !== stored)
        wrong.push(`${stored} messages were answered with 250, the spool has ${replayed}`);
      return wrong;
    },
    async close() {
      await Promise.all(variants.map(({ listener }) => listener.close(0)));
      await spool.close();
      rmSync(directory, { recursive: true });
    },
  };
}

function storeInto(
  spool: Spool,
  byClient: ReadonlyMap<string, StoredMail[]>,
  count: () => void,
): AcceptMessage {
  return async (envelope, body) => {
    const answer = storeAnswer(envelope.recipients[0] ?? '');
    if (answer === 'Full') return { code: 452, enhanced: '4.3.1', text: 'Full' };
    if (answer === 'Shuts') return { code: 421, enhanced: '4.3.2', text: 'Going down' };
    if (answer === 'Throws') throw new Error('the store throws');
    if (answer === 'Slow') await new Promise((resolve) => setTimeout(resolve, 3));
    if (!('sequence' in (await spool.append(envelope, body))))
      return { code: 451, enhanced: '4.3.2', text: 'No' };
    count();
    const client = /\[([^\]]*)\]/.exec(envelope.origin)?.[1] ?? '';
    const text = Buffer.concat(body).toString('latin1');
    byClient.get(client)?.push({ recipients: envelope.recipients, text });
    return undefined;
  };
}

async function dialogue(
  { listener, rules, way }: Variant,
  random: Random,
  address: string,
  mails: readonly StoredMail[],
): Promise<string | undefined> {
  const plan = clientDialogue(random, way !== 'Implicit');
  const raw = connect({ port: listener.port, host: '127.0.0.1', localAddress: address, allowHalfOpen: true });
  const timer = setTimeout(() => raw.destroy(new Error('hangs')), MAX_DIALOGUE_MS);
  let failure: string | undefined;
  raw.on('error', (error) => {
    if (error.message === 'hangs') failure = `nothing ended the dialogue within ${MAX_DIALOGUE_MS} ms`;
  });
  try {
    if (way === 'Proxied') {
      const odd = random.chance(0.1);
      const header = odd ? random.one(ODD_PROXY_HEADERS) : `PROXY TCP4 ${address} 192.0.2.1 4000 25\r\n`;
      for (const piece of random.cut(header, 3)) raw.write(piece, 'latin1');
      if (odd) {
        raw.end();
        await drained(raw);
        return failure;
      }
    }
    let socket: Socket = raw;
    if (way === 'Implicit') {
      socket = connectTls({ socket: raw, rejectUnauthorized: false });
      socket.on('error', () => undefined);
      if (!(await connected(socket))) return 'the TLS handshake failed';
    }
    const first = new ReplyCollector(socket);
    await write(socket, plan.pieces, random);
    let last = first;
    let secured = false;
    if (plan.underTls !== undefined) {
      const asked = plan.pieces.join('');
      const reading = await first.until((replies) => readDialogue(asked, replies.slice(1), rules).startsTls);
      // Only where STARTTLS is the end of what was sent: elsewhere the next octets are no handshake, and the listener ends it.
      if (reading && /STARTTLS\r?\n$/i.test(asked)) {
        first.stop();
        const tls = connectTls({ socket: raw, rejectUnauthorized: false });
        tls.on('error', () => undefined);
        if (await connected(tls)) {
          secured = true;
          socket = tls;
          last = new ReplyCollector(tls);
          await write(tls, plan.underTls, random);
        }
      }
    }
    await end(socket, plan, random, way === 'Implicit' || plan.underTls !== undefined);
    if (!(await last.ended())) return failure ?? 'the replies ended in the middle of a line';
    if (failure !== undefined || plan.ending === 'Abort') return failure;
    return judge(
      plan,
      rules,
      secured ? [first.replies.slice(1), last.replies] : [first.replies.slice(1)],
      mails,
    );
  } finally {
    clearTimeout(timer);
    raw.destroy();
  }
}

/** Compares what was answered and stored with what the oracle reads. */
function judge(
  plan: ClientDialogue,
  rules: Rules,
  replies: readonly (readonly string[])[],
  mails: readonly StoredMail[],
): string | undefined {
  const octets = [plan.pieces.join(''), plan.underTls?.join('') ?? ''];
  const readings = replies.map((some, index) => readDialogue(octets[index] ?? '', some, rules));
  const complaints = readings.flatMap(({ complaints }) => complaints);
  for (const { left } of readings)
    if (left.length > 0) complaints.push(`replies to nothing: ${left.join(' / ')}`);
  const messages = readings.flatMap(({ messages }) => messages);
  for (const { text, reply, recipients } of messages) {
    const answer = storeAnswer(recipients[0] ?? '');
    if (text === undefined && reply.startsWith('250'))
      complaints.push(`what may not be stored was: ${reply}`);
    if (text !== undefined && (answer === 'Stored' || answer === 'Slow') && !/^(250|421) /.test(reply)) {
      complaints.push(`a good message was refused: ${reply}`);
    }
  }
  const taken = messages.filter(({ reply }) => reply.startsWith('250'));
  if (taken.length !== mails.length)
    complaints.push(`${taken.length} were answered with 250, ${mails.length} stored`);
  for (const [index, { text = '', recipients }] of taken.entries()) {
    const mail = mails[index];
    if (mail === undefined) break;
    const front = mail.text.slice(0, mail.text.length - text.length);
    if (!mail.text.endsWith(text) || !TRACE.test(front)) {
      complaints.push(
        `stored ${JSON.stringify(mail.text.slice(0, 600))}, sent ${JSON.stringify(text.slice(0, 400))}`,
      );
    }
    const wanted = [...new Set(recipients.filter((path) => path !== ''))];
    if (
      !wanted.every((path) => mail.recipients.includes(path)) ||
      mail.recipients.length > recipients.length
    ) {
      complaints.push(`stored for ${mail.recipients.join()}, sent for ${recipients.join()}`);
    }
  }
  if (complaints.length === 0) return undefined;
  return `${complaints.join('\n')}\nsent ${JSON.stringify(octets)}\nread ${JSON.stringify(replies)}`;
}

/** The fields that a listener puts in front. */
const TRACE =
  /^Received: from [^\r\n]+\r\n(?:\t[^\r\n]+\r\n)+(?:Message-ID: <[^\r\n]+>\r\n)?(?:Date: [^\r\n]+\r\n)?(?:\r\n)?$/;

const ODD_PROXY_HEADERS = [
  'PROXY UNKNOWN\r\nQUIT\r\n',
  'PROXY TCP4 192.0.2.1\r\n',
  'PROXY TCP4 192.0.2.1 192.0.2.2 99999 25\r\n',
  `PROXY ${'x'.repeat(200)}`,
  'EHLO client.example\r\n',
  '\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff',
  '\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00QUIT\r\n',
  '\r\n\r\n\0\r\nQUIT\n\x11\x11\x00\x0c',
  '\r\n\r\n\0\r',
] as const;

async function write(socket: Socket, pieces: readonly string[], random: Random): Promise<void> {
  for (const piece of pieces) {
    if (socket.destroyed || !socket.writable) return;
    if (!socket.write(piece, 'latin1'))
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
    if (random.chance(0.5)) await new Promise((resolve) => setImmediate(resolve));
  }
}

async function end(socket: Socket, plan: ClientDialogue, random: Random, tls: boolean): Promise<void> {
  if (plan.ending === 'HalfClose') socket.end();
  if (plan.ending !== 'Abort') return;
  for (let turns = random.below(8); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  // A reset is for TCP alone: under TLS Node loses the handle.
  if (tls || random.chance(0.5)) socket.destroy();
  else socket.resetAndDestroy();
}

function connected(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('secureConnect', () => resolve(true));
    socket.once('close', () => resolve(false));
  });
}

function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.resume();
    socket.once('close', resolve);
  });
}

/** Puts the lines that a server sends together to replies. */
class ReplyCollector {
  readonly replies: string[] = [];
  readonly #socket: Socket;
  #text = '';
  #lines = '';
  #over = false;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', this.#read);
    const over = (): void => {
      this.#over = true;
      if (!socket.destroyed) socket.end();
      this.#wake?.();
    };
    socket.once('end', over);
    socket.once('close', over);
  }

  stop(): void {
    this.#socket.off('data', this.#read);
  }

  /** `true` once it holds, `false` when the server ended the session before. */
  async until(holds: (replies: readonly string[]) => boolean): Promise<boolean> {
    const giveUpMs = performance.now() + 2 * IDLE_TIMEOUT_MS;
    while (!holds(this.replies)) {
      if (this.#over || performance.now() > giveUpMs) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, IDLE_TIMEOUT_MS);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return true;
  }

  /** The server has ended the session; `false` = in the middle of a reply. */
  async ended(): Promise<boolean> {
    while (!this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#text === '' && this.#lines === '';
  }

  readonly #read = (chunk: Buffer): void => {
    this.#text += chunk.toString('latin1');
    for (let end = this.#text.indexOf('\r\n'); end >= 0; end = this.#text.indexOf('\r\n')) {
      const line = this.#text.slice(0, end);
      this.#text = this.#text.slice(end + 2);
      this.#lines += line;
      if (/^\d{3}-/.test(line)) continue;
      this.replies.push(this.#lines);
      this.#lines = '';
    }
    this.#wake?.();
  };
}
