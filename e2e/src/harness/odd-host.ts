import { createServer, type Socket } from 'node:net';

/** What a host does that no well-behaved one does. */
export interface OddManners {
  /** Absent = it takes the connection and never says a word. */
  readonly greeting?: string;
  /** Answer to a command; `undefined` = 250. `'reset'` = the connection is cut at once. */
  readonly command?: (verb: string) => string | 'reset' | undefined;
  /** Answer to the final dot; `'reset'` = the host took the message and dies before it says so. Default 250. */
  readonly finalDot?: (message: number) => string | 'reset';
}

/** A running host of bad manners. */
export interface OddHost {
  readonly address: string;
  readonly port: number;
  readonly connections: () => number;
  /** Messages read to their end. */
  readonly messages: () => number;
  close(): Promise<void>;
}

/**
 * Starts a host that offers no extension, so that every command comes alone.
 *
 * Example: `const host = await startOddHost({ greeting: '554 No' });`
 */
export async function startOddHost(manners: OddManners, port = 0): Promise<OddHost> {
  const open = new Set<Socket>();
  let connections = 0;
  let messages = 0;
  const server = createServer((socket) => {
    connections++;
    open.add(socket);
    socket.setEncoding('latin1');
    socket.on('error', () => socket.destroy());
    socket.on('close', () => open.delete(socket));
    if (manners.greeting === undefined) {
      socket.resume();
      return;
    }
    socket.write(`${manners.greeting}\r\n`);
    let pending = '';
    let inData = false;
    const answer = (reply: string): void => {
      if (reply === 'reset') socket.resetAndDestroy();
      else socket.write(`${reply}\r\n`);
    };
    socket.on('data', (text: string) => {
      pending += text;
      for (let end = pending.indexOf('\r\n'); end >= 0; end = pending.indexOf('\r\n')) {
        const line = pending.slice(0, end);
        pending = pending.slice(end + 2);
        if (inData) {
          if (line !== '.') continue;
          inData = false;
          answer(manners.finalDot?.(++messages) ?? '250 2.0.0 Ok');
          continue;
        }
        const verb = line.slice(0, 4).toUpperCase();
        const said = manners.command?.(verb);
        inData = verb === 'DATA' && said === undefined;
        answer(said ?? (verb === 'DATA' ? '354 Go on' : '250 2.0.0 Ok'));
        if (verb === 'QUIT') socket.end();
      }
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const bound = server.address();
  return {
    address: '127.0.0.1',
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    connections: () => connections,
    messages: () => messages,
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
