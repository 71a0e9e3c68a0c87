import { connect, type Socket } from 'node:net';
import { messageText } from './message-text.ts';
import type { PlannedMessage } from './plan.ts';

export interface BlastTarget {
  readonly host: string;
  readonly port: number;
  /** AUTH PLAIN, when given. */
  readonly auth?: { readonly username: string; readonly password: string };
}

/** What became of one message of a blast. */
export interface BlastAnswer {
  /** Reply code of the last command, 0 = the connection broke before an answer came: nobody knows whether it was taken. */
  readonly code: number;
  readonly text: string;
  readonly latencyMs: number;
}

const END_OF_DATA = Buffer.from('.\r\n');

/** One SMTP connection of the load generator: pipelines MAIL, RCPT and DATA, one message at a time. */
export class BlastSession {
  readonly #socket: Socket;
  #buffer = '';
  #waiting: ((line: string) => void) | undefined;
  readonly #lines: string[] = [];
  #broken = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#input(chunk.toString('latin1')));
    const broken = (): void => {
      this.#broken = true;
      this.#deliver('0 connection closed');
    };
    socket.on('error', broken);
    socket.on('close', broken);
  }

  /** Connects, EHLO, AUTH. Rejects when the server refuses. */
  static async open(target: BlastTarget): Promise<BlastSession> {
    const socket = connect({ host: target.host, port: target.port });
    const session = new BlastSession(socket);
    session.#expect(await session.#reply(), '220');
    socket.write('EHLO blast.example\r\n');
    session.#expect(await session.#reply(), '250');
    if (target.auth !== undefined) {
      const plain = Buffer.from(`\0${target.auth.username}\0${target.auth.password}`).toString('base64');
      socket.write(`AUTH PLAIN ${plain}\r\n`);
      session.#expect(await session.#reply(), '235');
    }
    return session;
  }

  get broken(): boolean {
    return this.#broken;
  }

  async send(message: PlannedMessage, date: string): Promise<BlastAnswer> {
    const startMs = performance.now();
    let commands = `MAIL FROM:<${message.sender}>\r\n`;
    for (const recipient of message.recipients) commands += `RCPT TO:<${recipient}>\r\n`;
    this.#socket.write(`${commands}DATA\r\n`, 'latin1');
    let refusal = '';
    for (let index = 0; index < message.recipients.length + 1; index++) {
      const reply = await this.#reply();
      if (!reply.startsWith('2') && refusal === '') refusal = reply;
      if (this.#broken) return answer(reply, startMs);
    }
    const go = await this.#reply();
    if (!go.startsWith('354')) return answer(refusal === '' ? go : refusal, startMs);
    this.#socket.cork();
    for (const piece of messageText(message, date)) this.#socket.write(piece);
    this.#socket.write(END_OF_DATA);
    this.#socket.uncork();
    return answer(await this.#reply(), startMs);
  }

  async close(): Promise<void> {
    if (this.#broken) return;
    this.#socket.write('QUIT\r\n');
    await this.#reply();
    this.#socket.destroy();
  }

  /** The last line of the next reply. */
  #reply(): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.#broken) return Promise.resolve('0 connection closed');
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #input(text: string): void {
    this.#buffer += text;
    for (let end = this.#buffer.indexOf('\r\n'); end >= 0; end = this.#buffer.indexOf('\r\n')) {
      const line = this.#buffer.slice(0, end);
      this.#buffer = this.#buffer.slice(end + 2);
      if (line[3] !== '-') this.#deliver(line);
    }
  }

  #deliver(line: string): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#lines.push(line);
    else waiting(line);
  }

  #expect(reply: string, code: string): void {
    if (!reply.startsWith(code)) throw new Error(`expected ${code}, got: ${reply}`);
  }
}

function answer(reply: string, startMs: number): BlastAnswer {
  return { code: Number(reply.slice(0, 3)) || 0, text: reply, latencyMs: performance.now() - startMs };
}
