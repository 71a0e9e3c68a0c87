import type { Command } from 'commander';
import { PROVIDERS, type ProviderName, startSink } from '../sink/mod.ts';

/** Adds `sluice sink`: one provider's host, by hand. */
export function sink(program: Command): void {
  program
    .command('sink')
    .summary('Run a host that takes mail as a provider does, and discards it')
    .description(
      'Runs one provider host: it takes mail, pushes back as the provider does, and prints what it saw.',
    )
    .option('--listen <address:port>', 'where it listens', '127.0.0.1:2526')
    .option('--provider <name>', `behaves as one of: ${Object.keys(PROVIDERS).join(', ')}`, 'plain')
    .option('--hostname <name>', 'name in the greeting', 'mx.sink.example')
    .addHelpText(
      'after',
      '\nExamples:\n  sluice sink\n  sluice sink --provider gmail --listen 127.0.0.1:2526\n  sluice sink --provider yahoo --json\n',
    )
    .action(async (options: { listen: string; provider: string; hostname: string }, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: true }>();
      const provider = providerNamed(options.provider, program);
      const colon = options.listen.lastIndexOf(':');
      const running = await startSink({
        behaviour: PROVIDERS[provider](options.hostname),
        address: options.listen.slice(0, colon).replace(/^\[|\]$/g, ''),
        port: Number(options.listen.slice(colon + 1)),
      });
      process.stderr.write(
        `A ${provider} host listens on ${running.address}:${running.port}. Ctrl-C ends it.\n`,
      );
      let before = 0;
      const tell = (): void => {
        const { delivered, duplicates } = running.ledger.totals;
        const sources = running.ledger
          .sources()
          .map(({ address, connections, peakConnections, messages, refusedConnections }) => ({
            address,
            connections,
            peakConnections,
            refusedConnections,
            messages,
          }));
        if (json)
          process.stdout.write(
            `${JSON.stringify({ delivered, duplicates, perSecond: delivered - before, sources })}\n`,
          );
        else if (delivered !== before) {
          const peaks = sources
            .map((source) => `${source.address} ${source.connections} open, peak ${source.peakConnections}`)
            .join('; ');
          process.stdout.write(
            `${delivered} delivered (${delivered - before}/s), ${duplicates} duplicates; ${peaks}\n`,
          );
        }
        before = delivered;
      };
      const timer = setInterval(tell, 1000);
      await new Promise<void>((resolve) => {
        process.once('SIGINT', resolve);
        process.once('SIGTERM', resolve);
      });
      clearInterval(timer);
      await running.close();
      tell();
    });
}

function providerNamed(name: string, program: Command): ProviderName {
  for (const known of ['plain', 'gmail', 'yahoo', 'outlook', 'microsoft-365', 'small'] as const)
    if (known === name) return known;
  return program.error(`unknown provider "${name}", known are: ${Object.keys(PROVIDERS).join(', ')}`);
}
