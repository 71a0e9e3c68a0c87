/** The listener as it runs in the product, with an `accept` that resolves at once. */
import { startSmtpListener } from '../mod.ts';

const listener = await startSmtpListener(
  { host: '127.0.0.1', port: 0, hostname: 'bench.example', relayNetworks: ['127.0.0.0/8'] },
  async () => undefined,
);
process.send?.({ port: listener.port });
process.on('message', () => process.send?.({ cpu: process.cpuUsage(), rss: process.memoryUsage.rss() }));
process.on('disconnect', () => process.exit(0));
