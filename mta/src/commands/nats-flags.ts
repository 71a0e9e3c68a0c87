import { readFileSync } from 'node:fs';
import { SluiceError } from '@sluice/crds';
import type { Command } from 'commander';
import { formatHostPort, loadSettings, type Settings } from '../config/mod.ts';
import type { NatsCredentials, NatsOptions } from '../spool/mod.ts';
import { DEFAULT_ADMIN } from './directive-flags.ts';
import { ProblemsFound } from './problems-found.ts';

/** Where a nats-server listens unless somebody says otherwise. */
const DEFAULT_SERVER = 'nats://127.0.0.1:4222';
const DEFAULT_PREFIX = 'sluice';
/** Of the connection, in the server's monitoring. */
const NAME = 'sluice command line';

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
  return addNatsServerOptions(
    command.option('--config <file>', 'sluice.yaml of an MTA, which says all of it'),
  );
}

/** The same for a command that has a `--config` of its own. */
export function addNatsServerOptions(command: Command): Command {
  return command
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
  if (flags.config === undefined) return placeOfFlags(flags);
  const place = placeOfSettings(settingsIn(flags.config), purpose);
  if (place !== undefined) return place;
  const field = purpose === 'events' ? 'spec.events.jetstream' : 'spec.spool.jetstream';
  throw new SluiceError('SLUICE_NATS_NOT_NAMED', { file: flags.config, field }, { file: flags.config });
}

/** Whom a question goes to: all pods of a NATS, or MTAs by the addresses of their admin API. */
export type Asked =
  | { readonly kind: 'nats'; readonly place: NatsPlace }
  | { readonly kind: 'admin'; readonly addresses: readonly string[] };

/** NATS if the flags name one; else the admin address of `--config`, or those of `--admin`. */
export function whomToAsk(flags: NatsFlags & { readonly admin?: readonly string[] }): Asked {
  if (flags.admin !== undefined) return { kind: 'admin', addresses: flags.admin };
  if (flags.config !== undefined) {
    const settings = settingsIn(flags.config);
    const place = placeOfSettings(settings, 'mail');
    if (place !== undefined) return { kind: 'nats', place };
    return { kind: 'admin', addresses: [formatHostPort(settings.adminAddress)] };
  }
  if (flags.nats !== undefined) return { kind: 'nats', place: placeOfFlags(flags) };
  return { kind: 'admin', addresses: [DEFAULT_ADMIN] };
}

function settingsIn(file: string): Settings {
  const loaded = loadSettings(file);
  if ('problems' in loaded) throw new ProblemsFound(loaded.problems);
  return loaded.settings;
}

function placeOfSettings({ spool, events }: Settings, purpose: 'mail' | 'events'): NatsPlace | undefined {
  const settings = purpose === 'events' ? events.jetstream : spool.type === 'JetStream' ? spool : undefined;
  if (settings === undefined) return undefined;
  const { servers, credentials, tls, prefix } = settings;
  return {
    options: {
      servers,
      credentials,
      ...(tls !== undefined && { tls }),
      inboxPrefix: inbox(prefix),
      name: NAME,
    },
    prefix,
  };
}

function placeOfFlags(flags: NatsFlags): NatsPlace {
  const { nats = [DEFAULT_SERVER], prefix = DEFAULT_PREFIX, creds, user, passwordFile, ca } = flags;
  const credentials: NatsCredentials =
    creds !== undefined
      ? { kind: 'creds', file: creds }
      : user !== undefined
        ? { kind: 'password', user, password: passwordIn(passwordFile) }
        : { kind: 'none' };
  return {
    options: {
      servers: nats,
      credentials,
      ...(ca !== undefined && { tls: { caFile: ca } }),
      inboxPrefix: inbox(prefix),
      name: NAME,
    },
    prefix,
  };
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
