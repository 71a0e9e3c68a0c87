import type { Command } from 'commander';
import {
  compileFiles,
  loadSettings,
  missingCredentials,
  type Problem,
  readGivenFiles,
  type Settings,
} from '../config/mod.ts';
import { createLogger } from '../report/mod.ts';
import { checkKeys } from '../sign/mod.ts';
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
    .option(
      '--check',
      'only check the settings file, its DKIM keys, and that the resources find their credentials in it, then exit',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice run --config sluice.yaml\n  $ sluice run --config sluice.yaml --check\n',
    )
    .action(async (options: { config: string; check?: true }) => {
      const loaded = loadSettings(options.config);
      if ('problems' in loaded) throw new ProblemsFound(loaded.problems);
      if (options.check) {
        const missing = [
          ...(await withoutCredentials(loaded.settings)),
          ...(await checkKeys(loaded.settings.dkim, options.config)),
        ];
        if (missing.length > 0) throw new ProblemsFound(missing);
        process.stdout.write(`${options.config} is valid.\n`);
        return;
      }
      const logger = createLogger(loaded.settings.log);
      // Before mail moves: a signal that comes while the spool is read must not cut what is being sent by then.
      const stop = stopSignal();
      const pod = await startPod(loaded.settings, loaded.secrets, logger, program.version());
      await stop;
      await pod.drain();
    });
}

/** Credentials that the resources name and the settings do not have. Other mistakes in resources are for `sluice validate`. */
async function withoutCredentials({
  resourcesDirectory,
  credentials,
}: Settings): Promise<readonly Problem[]> {
  const { resources } = await readGivenFiles([resourcesDirectory], true);
  return missingCredentials(compileFiles(resources).compiled.config, credentials);
}

/**
 * Resolves at the first SIGTERM or SIGINT. Supervisors repeat SIGTERM, and shells send it to a whole group that forwards it once more: a second
 * one changes nothing, or mail under way would be sent twice. A second Ctrl-C ends the process at once: somebody insists.
 */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.on('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
}
