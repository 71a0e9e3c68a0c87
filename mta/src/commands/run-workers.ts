import { SluiceError } from '@sluice/crds';
import type { Logger, Settings } from '../config/mod.ts';
import { startWorkerAdmin } from './worker-admin.ts';
import { startWorker } from './worker-process.ts';
import { checkWorkers } from './worker-settings.ts';
import { WorkerSupervisor } from './worker-supervisor.ts';

/**
 * Runs several workers, each a pod of its own that shares the listeners' ports with the others (SO_REUSEPORT: the kernel deals connections
 * out), until `stop` resolves; then they drain. This process holds no mail and no connection of a client: it starts workers again and
 * answers for all of them on the admin address.
 *
 * @throws {SluiceError} `SLUICE_WORKERS_IMPOSSIBLE`, `SLUICE_WORKER_FAILED`, `SLUICE_LISTEN_FAILED`
 */
export async function runWorkers(
  settings: Settings,
  count: number,
  config: string,
  stop: Promise<void>,
  logger: Logger,
): Promise<void> {
  checkWorkers(settings);
  const [, program = ''] = process.argv;
  const workers = new WorkerSupervisor({
    count,
    start: (number) => startWorker(program, ['run', '--config', config], { number, of: count }),
    logger,
  });
  let draining = false;
  const admin = await startWorkerAdmin(settings, workers, () => draining, logger);
  workers.run();
  void workers.allReady.then(() => {
    for (const { name, address } of settings.smtpListeners)
      logger.info({ listener: name, address: address.host, port: address.port }, 'listening');
    for (const [listener, { host: address, port }] of Object.entries(admin.addresses))
      logger.info({ listener, address, port }, 'listening');
  });
  const failed = await Promise.race([stop.then(() => undefined), workers.failed]);
  draining = true;
  logger.info({ workers: count }, 'draining: workers take no new mail, open transactions end');
  await workers.stop();
  await admin.close();
  logger.info({}, 'drained');
  if (failed !== undefined) throw new SluiceError('SLUICE_WORKER_FAILED', { how: failed });
}
