/**
 * What the library alone costs: `smtp-server` with every option that saves work, no check of the message, no Received
 * header, no store. The figure in docs/adr/0004-smtp-listener.md that our listener is compared with.
 */
import { SMTPServer } from 'smtp-server';

const server = new SMTPServer({
  name: 'bench.example',
  disableReverseLookup: true,
  authOptional: true,
  disabledCommands: ['AUTH', 'STARTTLS'],
  hideENHANCEDSTATUSCODES: false,
  size: 50 * 1024 * 1024,
  logger: false,
  onMailFrom: (_address, _session, callback) => callback(),
  onRcptTo: (_address, _session, callback) => callback(),
  onConnect: (_session, callback) => callback(),
  onData(stream, _session, callback) {
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => callback(null, 'queued as 01JDEXAMPLE'));
  },
});

server.listen(0, '127.0.0.1', () => {
  const address = server.server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 });
});
process.on('message', () => process.send?.({ cpu: process.cpuUsage(), rss: process.memoryUsage.rss() }));
process.on('disconnect', () => process.exit(0));
