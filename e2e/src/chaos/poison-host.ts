import { createServer, type Server, type Socket } from 'node:net';

/** A receiver of mail that must never be sent: whoever names a recipient gets no answer, and is told of. */
export interface PoisonHost {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/** `onOffered`: told of the address that offered a message, while it waits for the answer to RCPT. */
export async function startPoisonHost(
  address: string,
  onOffered: (source: string) => void,
): Promise<PoisonHost> {
  const open = new Set<Socket>();
  const server: Server = createServer((socket) => {
    open.add(socket);
    socket.setEncoding('latin1');
    socket.on('error', () => socket.destroy());
    socket.on('close', () => open.delete(socket));
    socket.write('220 poison.example ESMTP\r\n');
    let text = '';
    socket.on('data', (octets: string) => {
      text += octets;
      for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
        const verb = text.slice(0, 4).toUpperCase();
        text = text.slice(end + 2);
        if (verb === 'RCPT') onOffered(socket.remoteAddress ?? '');
        else socket.write('250 OK\r\n');
      }
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, address, resolve);
  });
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('a TCP server has an address');
  return {
    address,
    port: bound.port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}
