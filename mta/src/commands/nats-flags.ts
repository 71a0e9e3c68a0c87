import { readFileSync } from 'node:fs';
import { SluiceError } from '@sluice/crds';
import type { Command } from 'commander';
import { loadSettings } from '../config/mod.ts';
import type { NatsOptions } from '../spool/mod.ts';
import { ProblemsFound } from './problems-found.ts';

/** Where a nats-server listens unless somebody says otherwise. */
const DEFAULT_SERVER = 'nats://127.0.0.1:4222';
const DEFAULT_PREFIX = 'sluice';

export interface NatsFlags {
  readonly config?: string;
  readonly nats?: readonly string[];
  readonly prefix?: string;
  readonly creds?: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly ca?: string;
}

/** Adds the options that say which NATS a command speaks to, and as whom. */
export function addNatsOptions(command: Command): Command {
  return command
    .option('--config <file>', 'sluice.yaml of an MTA, which says all of it')
    .option('--nats <url...>', `NATS servers (default: ${DEFAULT_SERVER})`)
    .option('--prefix <name>', `begins the subjects of the MTAs (default: ${DEFAULT_PREFIX})`)
    .option('--creds <file>', 'user JWT and seed, as nsc writes it')
    .option('--user <name>', 'NATS user; with --password-file')
    .option('--password-file <file>', 'file that holds its password')
    .option('--ca <file>', 'certificates of the CAs of the servers, PEM');
}

/** A NATS and the prefix under which MTAs are there. */
export interface NatsPlace {
  readonly options: NatsOptions;
  readonly prefix: string;
}

/**
 * The NATS that the flags name; of `--config` the one that keeps mail, or the one that keeps events.
 *
 * @throws {ProblemsFound} for a settings file with mistakes
 * @throws {SluiceError} `SLUICE_NATS_NOT_NAMED` for one that names no NATS, `SLUICE_CONFIG_UNREADABLE`
 */
export function natsPlace(flags: NatsFlags, purpose: 'mail' | 'events'): NatsPlace {
  const name = 'sluice command line';
  if (flags.config !== undefined) {
    const loaded = loadSettings(flags.config);
    if ('problems' in loaded) throw new ProblemsFound(loaded.problems);
    const { spool, events } = loaded.settings;
    const settings = purpose === 'events' ? events.jetstream : spool.type === 'JetStream' ? spool : undefined;
    if (settings === undefined) {
      const field = purpose === 'events' ? 'spec.events.jetstream' : 'spec.spool.jetstream';
      throw new SluiceError('SLUICE_NATS_NOT_NAMED', { file: flags.config, field }, { file: flags.config });
    }
    const { servers, credentials, tls, prefix } = settings;
    const options = {
      servers,
      credentials,
      ...(tls !== undefined && { tls }),
      inboxPrefix: inbox(prefix),
      name,
    };
    return { options, prefix };
  }
  const { nats = [DEFAULT_SERVER], prefix = DEFAULT_PREFIX, creds, user, passwordFile, ca } = flags;
  const options: NatsOptions = {
    servers: nats,
    credentials:
      creds !== undefined
        ? { kind: 'creds', file: creds }
        : user !== undefined
          ? { kind: 'password', user, password: passwordIn(passwordFile) }
          : { kind: 'none' },
    ...(ca !== undefined && { tls: { caFile: ca } }),
    inboxPrefix: inbox(prefix),
    name,
  };
  return { options, prefix };
}

function inbox(prefix: string): string {
  return `${prefix}.inbox`;
}

function passwordIn(file: string | undefined): string {
  if (file === undefined) return '';
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SluiceError('SLUICE_CONFIG_UNREADABLE', { file, reason }, { file }, error);
  }
}
