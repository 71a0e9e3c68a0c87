/** A server that can STARTTLS and says yes to everything else. Prints its port; ends when its standard input does. */
import { readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

const testFile = (name: string): string =>
  readFileSync(new URL(`../../../testdata/tls/${name}`, import.meta.url), 'utf8');
const secureContext = createSecureContext({ key: testFile('mx.key'), cert: testFile('mx.pem') });

function serve(raw: Socket, socket: Socket): void {
  socket.on('error', () => raw.destroy());
  socket.on('data', (chunk: Buffer) => {
    const line = chunk.toString('latin1');
    if (line.startsWith('EHLO'))
      socket.write(raw === socket ? '250-mx.example\r\n250 STARTTLS\r\n' : '250 mx.example\r\n');
    else if (line.startsWith('STARTTLS')) {
      raw.removeAllListeners('data');
      raw.write('220 go\r\n');
      serve(raw, new TLSSocket(raw, { isServer: true, secureContext }));
    } else if (line.startsWith('QUIT')) socket.end('221 bye\r\n');
    else socket.write('250 ok\r\n');
  });
}

const server = createServer({ noDelay: true }, (raw) => {
  raw.write('220 mx.example ESMTP\r\n');
  serve(raw, raw);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' && address !== null ? address.port : 0}\n`);
});
process.stdin.resume().on('end', () => process.exit(0));
