import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** A client that a test speaks for by hand: it sends exactly the octets that it is given. */
export class HandClient {
  readonly socket: Socket;
  #text = '';
  #closed = false;
  #wake: (() => void) | undefined;

  /** A client in the clear, or one whose TLS begins with the connection. */
  static async open({
    host,
    port,
    tls,
  }: {
    readonly host: string;
    readonly port: number;
    readonly tls: boolean;
  }): Promise<HandClient> {
    if (!tls) return new HandClient({ host, port });
    const socket = connectTls({ host, port, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    return new HandClient({ host, port }, socket);
  }

  constructor(
    target: { readonly host: string; readonly port: number },
    socket: Socket = connect({ ...target, noDelay: true, allowHalfOpen: true }),
  ) {
    this.socket = socket;
    this.socket.setEncoding('latin1');
    this.socket.on('data', (text: string) => {
      this.#text += text;
      this.#wake?.();
    });
    const gone = (): void => {
      this.#closed = true;
      this.#wake?.();
    };
    this.socket.on('error', gone);
    this.socket.on('end', gone);
    this.socket.on('close', gone);
  }

  /** The next reply, all its lines; `closed` = the server ended the connection before one. */
  async reply(timeoutMs = 10_000): Promise<string> {
    const giveUpMs = performance.now() + timeoutMs;
    for (;;) {
      const reply = /^(?:\d{3}-[^\n]*\n)*\d{3}[^-\n][^\n]*\r\n/.exec(this.#text)?.[0];
      if (reply !== undefined) {
        this.#text = this.#text.slice(reply.length);
        return reply.trimEnd();
      }
      if (this.#closed) return 'closed';
      const leftMs = giveUpMs - performance.now();
      if (leftMs <= 0)
        throw new Error(`no reply within ${timeoutMs} ms; so far ${JSON.stringify(this.#text)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  send(octets: string): void {
    this.socket.write(octets, 'latin1');
  }

  /** Sends octets and reads so many replies. */
  async ask(octets: string, replies = 1): Promise<readonly string[]> {
    this.send(octets);
    const read: string[] = [];
    for (let index = 0; index < replies; index++) read.push(await this.reply());
    return read;
  }

  /** Reads the greeting, says EHLO. */
  async hello(): Promise<string> {
    const greeting = await this.reply();
    if (!greeting.startsWith('220')) return greeting;
    return (await this.ask('EHLO client.example\r\n'))[0] ?? '';
  }

  /** A whole message in one breath; the reply to its end. */
  async mail(
    sender: string,
    recipients: readonly string[],
    text = 'Subject: x\r\n\r\nHello\r\n',
  ): Promise<string> {
    const commands = [
      `MAIL FROM:<${sender}>`,
      ...recipients.map((address) => `RCPT TO:<${address}>`),
      'DATA',
    ];
    const replies = await this.ask(`${commands.join('\r\n')}\r\n`, commands.length);
    if (replies.at(-1)?.startsWith('354') !== true) return replies.join(' / ');
    return (await this.ask(`${text}.\r\n`))[0] ?? '';
  }

  destroy(): void {
    this.socket.destroy();
  }
}
