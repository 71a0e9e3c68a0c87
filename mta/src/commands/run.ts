import { type Command, InvalidArgumentError } from 'commander';
import {
  compileFiles,
  type LoadedSettings,
  type Logger,
  loadSettings,
  missingCredentials,
  type Problem,
  readGivenFiles,
  type Settings,
} from '../config/mod.ts';
import { createLogger } from '../report/mod.ts';
import { checkKeys } from '../sign/mod.ts';
import { type PodOptions, startPod } from './pod.ts';
import { ProblemsFound } from './problems-found.ts';
import { runWorkers } from './run-workers.ts';
import { supervisorGone, tellReady } from './worker-process.ts';
import {
  MAX_WORKERS,
  WORKER_VARIABLE,
  type WorkerPlace,
  workerPlace,
  workerSettings,
} from './worker-settings.ts';

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
    .option('--workers <n>', 'so many processes that share the listeners; mail must be on NATS', workers, 1)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice run --config sluice.yaml\n  $ sluice run --config sluice.yaml --check\n  $ sluice run --config sluice.yaml --workers 4\n',
    )
    .action(async (options: { config: string; check?: true; workers: number }) => {
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
      const place = workerPlace(process.env[WORKER_VARIABLE]);
      if (place !== undefined) return runWorker(loaded, place, logger, versionOf(program));
      if (options.workers > 1)
        return runWorkers(loaded.settings, options.workers, options.config, stopSignal(), logger);
      // Before mail moves: a signal that comes while the spool is read must not cut what is being sent by then.
      const stop = stopSignal();
      const pod = await startPod(loaded.settings, loaded.secrets, logger, versionOf(program));
      await stop;
      await pod.drain();
    });
}

/** One of several processes that {@link runWorkers} started; it ends with the one above it, however that ended. */
async function runWorker(
  { settings, secrets }: Extract<LoadedSettings, { readonly settings: Settings }>,
  place: WorkerPlace,
  logger: Logger,
  version: Pick<PodOptions, 'version'>,
): Promise<void> {
  const stop = Promise.race([stopSignal(), supervisorGone()]);
  const pod = await startPod(
    workerSettings(settings, place),
    secrets,
    logger.child({ worker: place.number }),
    { ...version, sharePorts: true },
  );
  tellReady(pod.admin);
  await stop;
  await pod.drain();
  // The channel to the process above would keep this one alive.
  if (process.connected) process.disconnect?.();
}

function versionOf(program: Command): Pick<PodOptions, 'version'> {
  const version = program.version();
  return version === undefined ? {} : { version };
}

function workers(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= MAX_WORKERS) return count;
  throw new InvalidArgumentError(`it is a whole number from 1 to ${MAX_WORKERS}.`);
}

/** Credentials that the resources name and the settings do not have. Other mistakes in resources are for `sluice validate`. */
async function withoutCredentials({
  resourcesDirectory,
  configMaps,
  credentials,
}: Settings): Promise<readonly Problem[]> {
  // What they hold is known in the cluster only.
  if (configMaps !== undefined) return [];
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
