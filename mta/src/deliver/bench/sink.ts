/**
 * The cheapest server that takes mail: PIPELINING and CHUNKING, every command answered 250, nothing kept.
 * `node sink.ts [pipelining|chunking]…` prints its port, then for every line on its standard input how many messages it has taken; ends when
 * its standard input does.
 */
import { createServer } from 'node:net';

const extensions = process.argv.slice(2).map((word) => `250-${word.toUpperCase()}\r\n`);
const EHLO = `250-sink.example\r\n${extensions.join('')}250-SIZE 0\r\n250 8BITMIME\r\n`;

const TAKEN = '250 2.0.0 Ok: queued\r\n';
let taken = 0;
const server = createServer({ noDelay: true }, (socket) => {
  let head: Buffer = Buffer.alloc(0);
  let skip = 0;
  let inData = false;
  socket.write('220 sink.example ESMTP\r\n');
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: Buffer) => {
    let data: Buffer = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    let out = '';
    for (;;) {
      if (skip > 0) {
        if (data.length < skip) {
          skip -= data.length;
          data = Buffer.alloc(0);
          break;
        }
        data = data.subarray(skip);
        skip = 0;
        out += TAKEN;
        taken++;
      }
      if (inData) {
        const end = data.indexOf('\r\n.\r\n');
        if (end === -1) {
          data = data.subarray(Math.max(0, data.length - 4));
          break;
        }
        data = data.subarray(end + 5);
        inData = false;
        out += TAKEN;
        taken++;
      }
      const end = data.indexOf('\r\n');
      if (end === -1) break;
      const line = data.toString('latin1', 0, end);
      data = data.subarray(end + 2);
      if (line.startsWith('BDAT ')) skip = Number(line.split(' ')[1]);
      else if (line.startsWith('EHLO')) out += EHLO;
      else if (line === 'DATA') {
        inData = true;
        out += '354 go on\r\n';
      } else if (line === 'QUIT') {
        socket.end(`${out}221 2.0.0 Bye\r\n`);
        return;
      } else out += '250 2.1.0 Ok\r\n';
    }
    head = data;
    if (out !== '') socket.write(out);
  });
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' && address !== null ? address.port : 0}\n`);
});
process.stdin.on('data', () => process.stdout.write(`${taken}\n`));
process.stdin.on('end', () => process.exit(0));
