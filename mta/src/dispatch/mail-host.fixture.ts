import { createServer, type Socket } from 'node:net';

/** What a host answers; absent = it takes everything. Called with the client's address. */
export interface HostAnswers {
  greeting?: (source: string) => string;
  /** The reply to EHLO, for extensions. */
  ehlo?: () => string;
  mail?: (source: string) => string;
  rcpt?: (recipient: string, source: string) => string;
  /** Milliseconds before the answer to the final dot. */
  finalDotMs?: number;
}

export interface Taken {
  readonly recipients: readonly string[];
  readonly source: string;
  readonly connection: number;
}

/** A host that takes mail, without PIPELINING, and says what it is told to. 421 closes. */
export class MailHost {
  port = 0;
  answers: HostAnswers;
  readonly taken: Taken[] = [];
  /** Everything that clients said, but for messages. */
  readonly commands: string[] = [];
  /** MAIL commands seen. */
  mails = 0;
  connections = 0;
  open = 0;
  peak = 0;
  /** Most connections at a time, by the client's address: until the host ended one itself, or has read its end. */
  readonly peaks = new Map<string, number>();
  readonly #counted = new Set<Socket>();
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((socket) => this.#serve(socket));

  constructor(answers: HostAnswers = {}) {
    this.answers = answers;
  }

  async listen(address = '127.0.0.1'): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, address, resolve));
    const bound = this.#server.address();
    if (typeof bound === 'object' && bound !== null) this.port = bound.port;
    return this;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Resets every connection. */
  reset(): void {
    this.#counted.clear();
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  get recipients(): readonly string[] {
    return this.taken.flatMap(({ recipients }) => recipients);
  }

  #serve(socket: Socket): void {
    const connection = ++this.connections;
    const source = socket.remoteAddress ?? '';
    this.open++;
    this.peak = Math.max(this.peak, this.open);
    this.#sockets.add(socket);
    this.#counted.add(socket);
    const ofSource = [...this.#counted].filter((each) => each.remoteAddress === source).length;
    this.peaks.set(source, Math.max(ofSource, this.peaks.get(source) ?? 0));
    const uncount = (): void => void this.#counted.delete(socket);
    socket.once('end', uncount);
    socket.on('error', () => {
      uncount();
      socket.destroy();
    });
    socket.once('close', () => {
      this.open--;
      uncount();
      this.#sockets.delete(socket);
    });
    const end = (reply: string): void => {
      uncount();
      socket.end(`${reply}\r\n`);
    };
    const say = (reply: string): void => {
      if (/^(421|554)/.test(reply)) end(reply);
      else socket.write(`${reply}\r\n`);
    };
    let accepted: string[] = [];
    let inData = false;
    let buffered = '';
    const line = (text: string): void => {
      const [verb = ''] = text.toUpperCase().split(/[ :]/);
      if (inData) {
        if (text !== '.') return;
        inData = false;
        const recipients = accepted;
        accepted = [];
        setTimeout(() => {
          if (socket.destroyed) return;
          this.taken.push({ recipients, source, connection });
          say('250 2.0.0 taken');
        }, this.answers.finalDotMs ?? 0).unref();
        return;
      }
      this.commands.push(text);
      if (verb === 'EHLO') say(this.answers.ehlo?.() ?? '250 mx.example');
      else if (verb === 'MAIL') {
        this.mails++;
        accepted = [];
        say(this.answers.mail?.(source) ?? '250 ok');
      } else if (verb === 'RCPT') {
        const recipient = /<(.*)>/.exec(text)?.[1] ?? '';
        const reply = this.answers.rcpt?.(recipient, source) ?? '250 ok';
        if (reply.startsWith('250')) accepted.push(recipient);
        say(reply);
      } else if (verb === 'DATA') {
        inData = accepted.length > 0;
        say(inData ? '354 go' : '503 no recipients');
      } else if (verb === 'QUIT') end('221 bye');
      else say('250 ok');
    };
    socket.on('data', (chunk) => {
      buffered += chunk.toString('latin1');
      const lines = buffered.split('\r\n');
      buffered = lines.pop() ?? '';
      for (const each of lines) line(each);
    });
    say(this.answers.greeting?.(source) ?? '220 mx.example');
  }
}
