/** For tests: a server that says and expects exactly what a script tells it, on a real socket. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { TLSSocket, type TLSSocketOptions } from 'node:tls';

const TESTDATA = join(import.meta.dirname, '../../testdata/tls');
/** `odd/expired.pem`; see mta/testdata/tls/README.md. */
export function testFile(name: string): string {
  return readFileSync(join(TESTDATA, name), 'utf8');
}

export const TEST_CA = testFile('ca.pem');
/** The name that the test certificate is for. */
export const TEST_HOST = 'mx.example';

/** The server's end of one connection. */
export class Peer {
  #raw: Socket;
  #socket: Socket;
  #buffer = Buffer.alloc(0);
  #ended = false;
  #wake: (() => void) | undefined;
  /** Octets received since {@link countOnly}. */
  received = 0;
  #counting = false;

  constructor(socket: Socket) {
    this.#raw = socket;
    this.#socket = socket;
    this.#listen();
  }

  /** Octets that were received and not asked for yet. */
  get unread(): number {
    return this.#buffer.length;
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** Sends lines; CRLF is added to each. */
  say(...lines: readonly string[]): void {
    this.#socket.write(lines.map((line) => `${line}\r\n`).join(''));
  }

  /** Sends as it is. */
  sayRaw(text: string | Buffer): void {
    this.#socket.write(text);
  }

  /** Next line; it must start as told. */
  async hear(start: string): Promise<string> {
    const end = await this.#until((buffer) => buffer.indexOf('\r\n'));
    const line = this.#take(end + 2)
      .subarray(0, -2)
      .toString('latin1');
    assert.ok(line.startsWith(start), `expected "${start}…", got "${line}"`);
    return line;
  }

  /** `hear` and `say` in turn: `['EHLO', '250 mx.example', 'MAIL', '250 ok']`. */
  async talk(...turns: readonly string[]): Promise<void> {
    for (let index = 0; index < turns.length; index += 2) {
      await this.hear(turns[index] ?? '');
      const answer = turns[index + 1];
      if (answer !== undefined && answer !== '') this.say(...answer.split('\n'));
    }
  }

  /** Greeting and EHLO with these extensions. */
  async greet(...extensions: readonly string[]): Promise<void> {
    this.say(`220 ${TEST_HOST} ESMTP`);
    await this.introduce(...extensions);
  }

  async introduce(...extensions: readonly string[]): Promise<void> {
    await this.hear('EHLO');
    const lines = [TEST_HOST, ...extensions];
    this.say(...lines.map((line, index) => `250${index === lines.length - 1 ? ' ' : '-'}${line}`));
  }

  /** `BDAT <n> LAST` and its octets. */
  async bdat(): Promise<Buffer> {
    const line = await this.hear('BDAT ');
    const bytes = Number(/^BDAT (\d+) LAST$/.exec(line)?.[1]);
    return this.octets(bytes);
  }

  /** So many octets. */
  async octets(bytes: number): Promise<Buffer> {
    await this.#until((buffer) => (buffer.length >= bytes ? 0 : -1));
    return this.#take(bytes);
  }

  /** Everything up to the final dot, as it was on the wire, the final dot not included. */
  async untilDot(): Promise<Buffer> {
    let from = 0;
    const end = await this.#until((buffer) => {
      if (buffer.subarray(0, 3).toString('latin1') === '.\r\n') return 0;
      const found = buffer.indexOf('\r\n.\r\n', from);
      from = Math.max(0, buffer.length - 5);
      return found;
    });
    const stuffed = end === 0 ? this.#take(3).subarray(0, 0) : this.#take(end + 5).subarray(0, -3);
    return Buffer.from(stuffed);
  }

  /** From now on octets are counted and forgotten; what was read ahead counts. */
  countOnly(): void {
    this.#counting = true;
    this.received = this.#take(this.#buffer.length).length;
  }

  /** Waits until the client has sent something, and forgets it. */
  async forget(): Promise<void> {
    while (this.#buffer.length === 0 && !this.#ended) await this.#more();
    this.#take(this.#buffer.length);
  }

  /** Until the client has closed; what else it sent is returned. */
  async untilEnd(): Promise<string> {
    while (!this.#ended) await this.#more();
    return this.#take(this.#buffer.length).toString('latin1');
  }

  /** Options replace those of the usual certificate; the socket is returned for what it knows of the client. */
  async startTls(options: TLSSocketOptions = {}): Promise<TLSSocket> {
    const raw = this.#raw;
    raw.removeAllListeners();
    raw.on('error', () => {});
    const secure = new TLSSocket(raw, {
      isServer: true,
      ...(options.secureContext === undefined
        ? { key: testFile('mx.key'), cert: testFile('mx.pem') }
        : undefined),
      ...options,
    });
    this.#socket = secure;
    this.#listen();
    await once(secure, 'secure');
    return secure;
  }

  close(): void {
    this.#socket.end();
  }

  reset(): void {
    this.#raw.resetAndDestroy();
  }

  #listen(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      this.received += chunk.length;
      if (this.#counting) return;
      this.#buffer = this.#buffer.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#buffer, chunk]);
      this.#wake?.();
    });
    for (const event of ['end', 'close', 'error']) {
      this.#socket.on(event, () => {
        this.#ended = true;
        this.#wake?.();
      });
    }
  }

  #take(bytes: number): Buffer {
    const taken = this.#buffer.subarray(0, bytes);
    this.#buffer = this.#buffer.subarray(bytes);
    return taken;
  }

  async #until(find: (buffer: Buffer) => number): Promise<number> {
    for (;;) {
      const found = find(this.#buffer);
      if (found !== -1) return found;
      assert.ok(
        !this.#ended,
        `the client closed; unread: "${this.#buffer.toString('latin1').slice(0, 200)}"`,
      );
      await this.#more();
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

export type Script = (peer: Peer) => Promise<void> | void;

/** One script for each connection, in their order; further connections are refused by closing them. */
export class ScriptedServer {
  readonly #server: Server;
  readonly #scripts: Promise<void>[] = [];
  readonly peers: Peer[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(...scripts: readonly Script[]): Promise<ScriptedServer> {
    const server = createServer({ noDelay: true });
    const scripted = new ScriptedServer(server);
    server.on('connection', (socket) => {
      const script = scripts[scripted.peers.length];
      const peer = new Peer(socket);
      scripted.peers.push(peer);
      if (script === undefined) socket.destroy();
      else scripted.#scripts.push(Promise.resolve(script(peer)));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return scripted;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** Fails when a script failed: the client said something else than it should. */
  async stop(): Promise<void> {
    this.#server.close();
    try {
      await Promise.all(this.#scripts);
    } finally {
      for (const peer of this.peers) peer.socket.destroy();
    }
  }
}
