import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * The way of one pod to NATS, which a test may cut or make deaf: what is sent while it is cut arrives when it is mended, as on a network that
 * comes back.
 */
export class NatsLink {
  readonly url: string;
  readonly #server: Server;
  readonly #ends = new Set<Socket>();
  #cut = false;
  #isDropped: (subject: string) => boolean = () => false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.url = `nats://127.0.0.1:${port}`;
  }

  /** Example: `const link = await NatsLink.open(nats.url); … link.cut();` */
  static async open(natsUrl: string): Promise<NatsLink> {
    const { hostname, port } = new URL(natsUrl);
    const server = createServer({ noDelay: true }, (client) =>
      link.#serve(client, connect({ host: hostname, port: Number(port), noDelay: true })),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const bound = server.address();
    if (typeof bound !== 'object' || bound === null) throw new Error('no port');
    const link = new NatsLink(server, bound.port);
    return link;
  }

  /** Nothing goes through, no connection is closed. */
  cut(): void {
    this.#cut = true;
    for (const end of this.#ends) end.pause();
  }

  mend(): void {
    this.#cut = false;
    for (const end of this.#ends) end.resume();
  }

  /** What the pod publishes to these subjects vanishes from now on. */
  drop(isDropped: (subject: string) => boolean): void {
    this.#isDropped = isDropped;
  }

  async close(): Promise<void> {
    for (const end of this.#ends) end.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(client: Socket, server: Socket): void {
    const published = new PublishFilter((subject) => this.#isDropped(subject));
    client.on('data', (chunk: Buffer) => {
      for (const part of published.pass(chunk)) server.write(part);
    });
    server.on('data', (chunk: Buffer) => client.write(chunk));
    for (const [end, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#ends.add(end);
      end.on('error', () => end.destroy());
      end.once('close', () => {
        this.#ends.delete(end);
        other.destroy();
      });
      if (this.#cut) end.pause();
    }
  }
}

const LINE_END = Buffer.from('\r\n');

/** Takes messages of some subjects out of what a NATS client says (PUB and HPUB of the client protocol). */
class PublishFilter {
  readonly #isDropped: (subject: string) => boolean;
  #buffered: Buffer = Buffer.alloc(0);

  constructor(isDropped: (subject: string) => boolean) {
    this.#isDropped = isDropped;
  }

  /** What of it may go on, with what was incomplete before. */
  *pass(chunk: Buffer): Iterable<Buffer> {
    this.#buffered = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    for (;;) {
      const lineEnd = this.#buffered.indexOf(LINE_END);
      if (lineEnd < 0) return;
      const [verb = '', subject = '', ...rest] = this.#buffered.toString('latin1', 0, lineEnd).split(' ');
      const isMessage = /^H?PUB$/i.test(verb);
      const end = lineEnd + LINE_END.length + (isMessage ? Number(rest.at(-1)) + LINE_END.length : 0);
      if (this.#buffered.length < end) return;
      const part = this.#buffered.subarray(0, end);
      this.#buffered = this.#buffered.subarray(end);
      if (!(isMessage && this.#isDropped(subject))) yield part;
    }
  }
}
