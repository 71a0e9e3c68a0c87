import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { testKey } from '../../testdata/tls/test-key.ts';
import { OctetReader } from './octet-reader.ts';

/** One connection that a script plays the proxy on. */
export interface ProxySide {
  readonly socket: Socket;
  /** Reads exactly so many octets, as hexadecimal digits. */
  read(count: number): Promise<string>;
  /** Writes octets given as hexadecimal digits; blanks are for people. */
  say(hex: string): void;
}

export type ProxyScript = (side: ProxySide) => Promise<void> | void;

/** A proxy that does exactly what a test says. */
export class ScriptedProxy {
  readonly sockets = new Set<Socket>();
  connections = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  get port(): number {
    const address = this.#server.address();
    if (typeof address !== 'object' || address === null) throw new Error('it does not listen');
    return address.port;
  }

  /** Example: `const proxy = await ScriptedProxy.listen(({ say }) => say('05 ff'));` */
  static async listen(
    script: ProxyScript,
    { host = '127.0.0.1', port = 0, tls = false } = {},
  ): Promise<ScriptedProxy> {
    const serve = (socket: Socket): void => {
      proxy.connections++;
      proxy.sockets.add(socket);
      socket.on('close', () => proxy.sockets.delete(socket));
      socket.on('error', () => {});
      const reader = new OctetReader(socket);
      const side: ProxySide = {
        socket,
        read: async (count) => (await reader.read(count)).toString('hex'),
        say: (hex) => socket.write(Buffer.from(hex.replaceAll(' ', ''), 'hex')),
      };
      Promise.resolve(script(side)).then(
        // Nobody hears of an end behind octets that nobody reads.
        () => {
          reader.release();
          socket.on('data', () => {});
        },
        // A client that gave up ends the script where it is.
        () => socket.destroy(),
      );
    };
    const server = tls ? createTlsServer(testKey('proxy'), serve) : createServer(serve);
    server.on('tlsClientError', () => {});
    const proxy = new ScriptedProxy(server);
    server.listen(port, host);
    await once(server, 'listening');
    return proxy;
  }

  /** Resolves when no client is connected any more. */
  async quiet(): Promise<void> {
    await Promise.all([...this.sockets].map((socket) => socket.closed || once(socket, 'close')));
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, 'close');
  }
}
