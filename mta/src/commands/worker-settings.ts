import { SluiceError } from '@sluice/crds';
import { formatHostPort, type Settings } from '../config/mod.ts';

/** Environment variable by which a process knows that it is a worker: `2/4` = the second of four. */
export const WORKER_VARIABLE = 'SLUICE_WORKER';
/** More would be more processes than sense: a worker fills a core. */
export const MAX_WORKERS = 64;

export interface WorkerPlace {
  /** Counts from 1. */
  readonly number: number;
  readonly of: number;
}

/** Reads {@link WORKER_VARIABLE}; `undefined` = this process is no worker. */
export function workerPlace(text: string | undefined): WorkerPlace | undefined {
  const [, number, of] = /^(\d{1,2})\/(\d{1,2})$/.exec(text ?? '') ?? [];
  return number === undefined ? undefined : { number: Number(number), of: Number(of) };
}

/**
 * The settings of one of several workers: an admin address of its own, which the process above it asks, and its part of the memory.
 */
export function workerSettings({ probesAddress: _, ...settings }: Settings, { of }: WorkerPlace): Settings {
  return {
    ...settings,
    adminAddress: { host: '127.0.0.1', port: 0 },
    memory: { ...settings.memory, maxBytes: Math.floor(settings.memory.maxBytes / of) },
  };
}

/**
 * Whether several processes can run with these settings.
 *
 * @throws {SluiceError} `SLUICE_WORKERS_IMPOSSIBLE`
 */
export function checkWorkers({ spool, events, smtpListeners }: Settings): void {
  if (spool.type !== 'JetStream') {
    throw impossible(
      'the spool is a file, which one process owns',
      'Set spec.spool.type to JetStream, or run without --workers.',
    );
  }
  if (events.stdout === 'Enabled') {
    throw impossible(
      'lines that several processes write to one standard output may be torn',
      'Set spec.events.file or spec.events.jetstream instead of spec.events.stdout.',
    );
  }
  const anyPort = smtpListeners.find(({ address }) => address.port === 0);
  if (anyPort !== undefined) {
    throw impossible(
      `listener "${anyPort.name}" has ${formatHostPort(anyPort.address)}: each would get another port`,
      'Give the listener a port.',
    );
  }
}

function impossible(reason: string, cure: string): SluiceError {
  return new SluiceError('SLUICE_WORKERS_IMPOSSIBLE', { reason, cure });
}
