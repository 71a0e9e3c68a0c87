import type { Command } from 'commander';
import { loadSettings } from '../config/mod.ts';
import { createLogger } from '../report/mod.ts';
import { startPod } from './pod.ts';
import { ProblemsFound } from './problems-found.ts';

/** Adds `sluice run`: the mail transfer agent. */
export function run(program: Command): void {
  program
    .command('run')
    .summary('Run the mail transfer agent')
    .description(
      'Accepts mail over SMTP, stores it, and delivers it as the EgressPools and ShapingPolicies of the resources directory say. ' +
        'Changed resources take effect within 2 seconds. SIGTERM drains: open transactions end, then the process.',
    )
    .requiredOption('--config <file>', 'the settings file, sluice.yaml')
    .option('--check', 'only check the settings file, then exit')
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice run --config sluice.yaml\n  $ sluice run --config sluice.yaml --check\n',
    )
    .action(async (options: { config: string; check?: true }) => {
      const loaded = loadSettings(options.config);
      if ('problems' in loaded) throw new ProblemsFound(loaded.problems);
      if (options.check) {
        process.stdout.write(`${options.config} is valid.\n`);
        return;
      }
      const logger = createLogger(loaded.settings.log);
      const pod = await startPod(loaded.settings, logger);
      await new Promise<void>((resolve) => {
        process.once('SIGTERM', resolve);
        process.once('SIGINT', resolve);
      });
      await pod.drain();
    });
}
