import { createServer, type Server, type Socket } from 'node:net';
import type { Behaviour } from './behaviour.ts';
import { Ledger } from './ledger.ts';
import { type SinkMemory, SinkSession } from './sink-session.ts';

export interface SinkOptions {
  readonly behaviour: Behaviour;
  /** Loopback address to listen on. */
  readonly address: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly ledger?: Ledger;
}

/** A running provider host. */
export interface Sink {
  readonly address: string;
  readonly port: number;
  readonly behaviour: Behaviour;
  readonly ledger: Ledger;
  close(): Promise<void>;
}

/**
 * Starts one provider host.
 *
 * Example: `const sink = await startSink({ behaviour: PROVIDERS.gmail('mx.example'), address: '127.0.0.1', port: 0 });`
 */
export async function startSink(options: SinkOptions): Promise<Sink> {
  const { behaviour } = options;
  const now = (): number => performance.now();
  const ledger = options.ledger ?? new Ledger(now);
  const memory: SinkMemory = { greylist: new Map(), rates: new Map(), messages: 0, downUntilMs: 0 };
  const open = new Set<Socket>();
  const server: Server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    const source = ledger.source(socket.remoteAddress ?? '');
    // Counted when it arrives, before any refusal: what the sender did is what is judged.
    ledger.connected(source);
    open.add(socket);
    socket.on('error', () => socket.destroy());
    // A session counts until the host itself ends it (221, 421), as providers count; or until the client is seen to be gone.
    let counted = true;
    const uncount = (): void => {
      if (counted) source.connections--;
      counted = false;
    };
    socket.once('close', () => {
      uncount();
      open.delete(socket);
    });
    if (now() < memory.downUntilMs) {
      socket.destroy();
      return;
    }
    if (behaviour.connections !== undefined && source.connections > behaviour.connections.atMost) {
      source.refusedConnections++;
      uncount();
      socket.end(`${behaviour.connections.reply}\r\n`);
      return;
    }
    const session = new SinkSession(socket, behaviour, ledger, source, memory, now, uncount);
    socket.on('data', (chunk: Buffer) => session.input(chunk));
    session.greet();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.address, 4096, resolve);
  });
  const bound = server.address();
  return {
    address: options.address,
    port: typeof bound === 'object' && bound !== null ? bound.port : options.port,
    behaviour,
    ledger,
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
