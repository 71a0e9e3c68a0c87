import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Envelope, MessageBody } from '../spool/mod.ts';
import type { AcceptMessage, Rejection } from './contract.ts';
import type { ListenerHooks, RefusedMail, SmtpListenerOptions } from './listener-options.ts';
import { type SmtpListener, startSmtpListener } from './smtp-listener.ts';

/** A client that sends exactly the octets that a test names, and reads replies one by one. */
export class RawClient {
  #socket: Socket;
  #text = '';
  #wake: (() => void) | undefined;
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#attach(socket);
  }

  static connect(port: number, from = '127.0.0.1'): RawClient {
    return new RawClient(connect({ port, host: '127.0.0.1', localAddress: from }));
  }

  static async connectTls(port: number): Promise<RawClient> {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    return new RawClient(socket);
  }

  #attach(socket: Socket): void {
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      this.#text += chunk.toString('latin1');
      this.#wake?.();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  /** One complete reply without its last CRLF, or `closed` when the server ended the session. */
  async reply(): Promise<string> {
    for (;;) {
      const match = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3}[^-\r\n][^\r\n]*\r\n/.exec(this.#text);
      if (match !== null) {
        this.#text = this.#text.slice(match[0].length);
        return match[0].trimEnd();
      }
      if (this.#closed) return 'closed';
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  write(octets: string | Buffer): void {
    this.#socket.write(typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets);
  }

  /** Sends octets and reads as many replies as are expected. */
  async ask(octets: string | Buffer, replies = 1): Promise<string[]> {
    this.write(octets);
    const answers: string[] = [];
    for (let index = 0; index < replies; index++) answers.push(await this.reply());
    return answers;
  }

  /** Greeting and EHLO; returns the reply to EHLO. */
  async hello(): Promise<string> {
    await this.reply();
    const [reply = ''] = await this.ask('EHLO client.example\r\n');
    return reply;
  }

  async startTls(): Promise<void> {
    this.#socket.removeAllListeners('data');
    const secure = connectTls({ socket: this.#socket, rejectUnauthorized: false });
    await once(secure, 'secureConnect');
    this.#socket = secure;
    this.#attach(secure);
  }

  async closed(): Promise<void> {
    while (!this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  destroy(): void {
    this.#socket.destroy();
  }

  end(): void {
    this.#socket.end();
  }
}

export interface AcceptedMail {
  readonly envelope: Envelope;
  readonly text: string;
  readonly body: MessageBody;
}

/** A listener on a free port with a store that is a list, closed when the test ends. */
export interface Intake {
  readonly listener: SmtpListener;
  readonly accepted: AcceptedMail[];
  readonly refused: { readonly reply: Rejection; readonly mail: RefusedMail }[];
  readonly failed: unknown[];
  client(from?: string): RawClient;
}

export async function startIntake(
  test: { after(done: () => Promise<void>): void },
  options: Partial<SmtpListenerOptions> = {},
  accept?: AcceptMessage,
): Promise<Intake> {
  const accepted: AcceptedMail[] = [];
  const refused: { readonly reply: Rejection; readonly mail: RefusedMail }[] = [];
  const failed: unknown[] = [];
  const clients: RawClient[] = [];
  const hooks: ListenerHooks = {
    refused: (reply, mail) => void refused.push({ reply, mail }),
    failed: (error) => void failed.push(error),
  };
  const store: AcceptMessage = async (envelope, body) => {
    accepted.push({ envelope, body, text: Buffer.concat(body).toString('latin1') });
    return undefined;
  };
  const listener = await startSmtpListener(
    { host: '127.0.0.1', port: 0, hostname: 'mta.example', relayNetworks: ['127.0.0.1'], ...options },
    accept ?? store,
    hooks,
  );
  test.after(async () => {
    for (const client of clients) client.destroy();
    await listener.close(0);
  });
  return {
    listener,
    accepted,
    refused,
    failed,
    client(from) {
      const client = RawClient.connect(listener.port, from);
      clients.push(client);
      return client;
    },
  };
}

/** The text behind the fields that intake adds. */
export function withoutTrace(text: string): string {
  return text.replace(/^Received: [^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*/, '');
}

export const ENVELOPE = 'MAIL FROM:<sender@client.example>\r\nRCPT TO:<user@dest.example>\r\nDATA\r\n';
export const FIELDS =
  'From: a@client.example\r\nDate: Tue, 24 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@client.example>\r\n';
