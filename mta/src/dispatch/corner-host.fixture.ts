import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';

const TESTDATA = join(import.meta.dirname, '../../testdata/tls');
/** Root of the host's certificate, which is for `mx.example` and `localhost`. */
export const CORNER_CA = readFileSync(join(TESTDATA, 'ca.pem'), 'utf8');

/** Where a host makes trouble: the command that it would answer now. `Idle` = right after a message was taken. */
export type Step =
  | 'Greeting'
  | 'Ehlo'
  | 'Helo'
  | 'StartTls'
  | 'Handshake'
  | 'Auth'
  | 'Mail'
  | 'Rcpt'
  | 'Data'
  | 'Bdat'
  | 'FinalDot'
  | 'Idle'
  | 'Rset'
  | 'Quit';

/** What it does there instead of answering as it should. */
export type Trouble =
  /** Says these octets, and goes on; after 421 it closes. */
  | { readonly say: string }
  /** Says the right thing and closes at once. */
  | 'answers and closes'
  /** Says the right thing and does not read any more. */
  | 'answers and is deaf'
  | 'closes'
  | 'resets'
  /** Reads, never answers. */
  | 'is silent'
  /** Does not even read any more. */
  | 'is deaf'
  /** A line of an endless reply now and then. */
  | 'drips'
  /** Answers this command and forgets what it has read behind it. */
  | 'forgets';

const ANSWERS: ReadonlySet<Trouble> = new Set(['answers and closes', 'answers and is deaf', 'forgets']);

export interface CornerPlan {
  /** The same step of one session may come several times: troubles happen in their order, one each. */
  readonly troubles: readonly { readonly at: Step; readonly does: Trouble }[];
  readonly extensions?: readonly string[];
  /** Messages taken before the trouble begins. */
  readonly after?: number;
}

/** A host that takes mail and makes trouble once for each trouble that it has. */
export class CornerHost {
  port = 0;
  connections = 0;
  /** Connection, by its number, of each message taken. */
  readonly taken: number[] = [];
  /** Commands that were heard, of all connections. */
  readonly heard: string[] = [];
  readonly #plan: CornerPlan;
  readonly #pending: { readonly at: Step; readonly does: Trouble }[];
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer({ noDelay: true }, (socket) => this.#serve(socket));

  constructor(plan: CornerPlan) {
    this.#plan = plan;
    this.#pending = [...plan.troubles];
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const bound = this.#server.address();
    if (typeof bound === 'object' && bound !== null) this.port = bound.port;
    return this;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, 'close');
  }

  /** The trouble of this step, if its time has come. */
  take(at: Step): Trouble | undefined {
    if (this.taken.length < (this.#plan.after ?? 0)) return undefined;
    const index = this.#pending.findIndex((trouble) => trouble.at === at);
    return index === -1 ? undefined : this.#pending.splice(index, 1)[0]?.does;
  }

  get extensions(): readonly string[] {
    return this.#plan.extensions ?? [];
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    new CornerConnection(this, socket, this.connections++).answer('Greeting', '220 mx.example ESMTP');
  }
}

/** One connection to a {@link CornerHost}. */
class CornerConnection {
  readonly #host: CornerHost;
  readonly #raw: Socket;
  readonly #number: number;
  #socket: Socket;
  #input = Buffer.alloc(0);
  /** Nothing is answered any more. */
  #mute = false;
  /** Octets of a BDAT that are still to come. */
  #chunkLeft = -1;
  #inData = false;
  #recipients = 0;

  constructor(host: CornerHost, socket: Socket, number: number) {
    this.#host = host;
    this.#raw = socket;
    this.#socket = socket;
    this.#number = number;
    this.#listen();
  }

  /** Answers as it should, unless there is trouble. Returns `false` when the trouble took the answer's place. */
  answer(at: Step, reply: string): boolean {
    const trouble = this.#host.take(at);
    if (trouble === undefined || ANSWERS.has(trouble)) {
      this.#say(`${reply}\r\n`);
      if (trouble === 'answers and closes') this.#end();
      if (trouble === 'answers and is deaf') {
        this.#mute = true;
        this.#socket.pause();
      }
      if (trouble === 'forgets') this.#input = Buffer.alloc(0);
      return true;
    }
    if (typeof trouble === 'object') {
      this.#say(trouble.say);
      if (trouble.say.startsWith('421')) this.#end();
      return false;
    }
    this.#mute = true;
    if (trouble === 'closes') this.#end();
    // Not before the client knows that it is connected.
    else if (trouble === 'resets') setTimeout(() => this.#raw.resetAndDestroy(), 30);
    else if (trouble === 'is deaf') this.#socket.pause();
    else if (trouble === 'drips') {
      const drip = setInterval(() => this.#say('250-wait\r\n'), 10);
      this.#raw.once('close', () => clearInterval(drip));
    }
    return false;
  }

  #say(text: string): void {
    if (!this.#socket.destroyed) this.#socket.write(text);
  }

  #end(): void {
    this.#mute = true;
    this.#socket.end();
  }

  #listen(): void {
    this.#socket.on('error', () => this.#raw.destroy());
    this.#socket.on('data', (chunk: Buffer) => {
      this.#input = Buffer.concat([this.#input, chunk]);
      while (!this.#mute && this.#step());
    });
  }

  /** Works off one command or body; `false` = more octets are needed. */
  #step(): boolean {
    if (this.#chunkLeft >= 0) {
      if (this.#input.length < this.#chunkLeft) return false;
      this.#input = this.#input.subarray(this.#chunkLeft);
      this.#chunkLeft = -1;
      this.#bodyIsHere();
      return true;
    }
    if (this.#inData) {
      const empty = this.#input.subarray(0, 3).toString('latin1') === '.\r\n';
      const end = empty ? -2 : this.#input.indexOf('\r\n.\r\n');
      if (end === -1) return false;
      this.#input = this.#input.subarray(end + 5);
      this.#inData = false;
      this.#bodyIsHere();
      return true;
    }
    const end = this.#input.indexOf('\r\n');
    if (end === -1) return false;
    const line = this.#input.toString('latin1', 0, end);
    this.#input = this.#input.subarray(end + 2);
    this.#command(line);
    return true;
  }

  #bodyIsHere(): void {
    const wanted = this.#recipients > 0;
    this.#recipients = 0;
    if (!wanted) {
      this.answer('FinalDot', '554 5.5.1 no valid recipients');
      return;
    }
    // Its word is what counts: a message whose reply is lost may be there twice in the end.
    if (!this.answer('FinalDot', '250 2.0.0 taken')) return;
    this.#host.taken.push(this.#number);
    const trouble = this.#host.take('Idle');
    if (trouble === 'closes') this.#end();
    else if (typeof trouble === 'object') setImmediate(() => this.#say(trouble.say));
  }

  #command(line: string): void {
    this.#host.heard.push(line);
    const verb = line.split(/[ :]/)[0] ?? '';
    switch (verb) {
      case 'EHLO':
        this.answer('Ehlo', this.#introduction());
        break;
      case 'HELO':
        this.answer('Helo', '250 mx.example');
        break;
      case 'STARTTLS':
        if (this.answer('StartTls', '220 2.0.0 go')) this.#startTls();
        break;
      case 'AUTH':
        this.answer('Auth', '235 2.7.0 welcome');
        break;
      case 'MAIL':
        this.#recipients = 0;
        this.answer('Mail', '250 2.1.0 ok');
        break;
      case 'RCPT':
        if (this.answer('Rcpt', '250 2.1.5 ok')) this.#recipients++;
        break;
      case 'DATA':
        if (this.#recipients === 0) this.answer('Data', '503 5.5.1 no recipients');
        else if (this.answer('Data', '354 go')) this.#inData = true;
        break;
      case 'BDAT':
        this.#bdat(Number(line.split(' ')[1]));
        break;
      case 'RSET':
        this.answer('Rset', '250 2.0.0 ok');
        break;
      case 'QUIT':
        if (this.answer('Quit', '221 2.0.0 bye')) this.#end();
        break;
      default:
        this.#say('500 5.5.2 what\r\n');
    }
  }

  /** Trouble here is that of a server that does not know BDAT: it takes what follows for commands. */
  #bdat(octets: number): void {
    const trouble = this.#host.take('Bdat');
    if (typeof trouble === 'object') this.#say(trouble.say);
    else this.#chunkLeft = octets;
  }

  #introduction(): string {
    const inClear = this.#socket === this.#raw;
    const lines = ['mx.example', ...this.#host.extensions.filter((word) => inClear || word !== 'STARTTLS')];
    return lines.map((word, index) => `250${index === lines.length - 1 ? ' ' : '-'}${word}`).join('\r\n');
  }

  #startTls(): void {
    const trouble = this.#host.take('Handshake');
    if (trouble !== undefined) {
      this.#mute = true;
      if (trouble === 'closes') this.#raw.end();
      else if (trouble === 'resets') this.#raw.resetAndDestroy();
      else if (typeof trouble === 'object') this.#raw.once('data', () => this.#say(trouble.say));
      return;
    }
    this.#raw.removeAllListeners('data');
    this.#input = Buffer.alloc(0);
    this.#socket = new TLSSocket(this.#raw, {
      isServer: true,
      key: readFileSync(join(TESTDATA, 'mx.key')),
      cert: readFileSync(join(TESTDATA, 'mx.pem')),
    });
    this.#listen();
  }
}
