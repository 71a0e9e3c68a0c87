import { z } from 'zod';
import * as defaults from './defaults.ts';
import { byteSize, optional, passwordFields } from './settings-fields.ts';

export const natsServer = z
  .string()
  .regex(
    /^(nats|tls):\/\/[^\s@/]+$/,
    'must be nats://host:port or tls://host:port, without user and password.',
  )
  .meta({ form: 'nats://host:port' });

/** The prefix is a token of subjects and the beginning of stream names. */
export const natsPrefix = z
  .string()
  .min(1)
  .max(32)
  .regex(/^[A-Za-z0-9_-]+$/, 'only letters, digits, hyphens and underscores may be used.');

export const natsCredentials = z.strictObject({
  user: optional(z.string().min(1).max(256).describe('User name; with `password` or `passwordFile`.')),
  ...passwordFields,
  tokenFile: optional(
    z.string().min(1).describe('File that holds a token; a line end at its end is ignored.'),
  ),
  nkeySeedFile: optional(z.string().min(1).describe('File that holds the seed of a user nkey (`SU…`).')),
  credsFile: optional(z.string().min(1).describe('File with a user JWT and its seed, as `nsc` writes it.')),
});

export const natsTls = z.strictObject({
  caFile: optional(
    z
      .string()
      .min(1)
      .describe('Certificates of the CAs of the servers, PEM; the default is what Node trusts.'),
  ),
  certificateFile: optional(
    z.string().min(1).describe('Certificate of this pod, PEM, for servers that verify it.'),
  ),
  keyFile: optional(z.string().min(1).describe('Its private key, PEM.')),
});

export const jetStreamSchema = z.strictObject({
  servers: z
    .array(natsServer)
    .min(1)
    .max(20)
    .describe('Servers of one NATS cluster; any that answers will do, the others are learned from it.'),
  credentials: optional(
    natsCredentials.describe(
      'How the pod logs in; exactly one way. Absent = without. Files are read again at every connection.',
    ),
  ),
  tls: optional(natsTls.describe('TLS towards NATS; absent = only if the server demands it.')),
  prefix: natsPrefix
    .default(defaults.NATS_PREFIX)
    .describe('Begins every subject and every stream name: two Sluice on one NATS account need two.'),
  limitsPrefix: optional(
    natsPrefix.describe(
      'Begins the subjects and the bucket of limits; absent = `prefix`. Installations with stores of their own and the same one here share their limits.',
    ),
  ),
  durability: z
    .enum(['Single', 'Replicated', 'Synced'])
    .default('Replicated')
    .describe(
      '`Replicated`: three copies, a 250 after two servers have it. `Synced`: the same with `sync_interval: always` on the servers, so that it is on two disks. `Single`: one copy, for trials. See durability.md.',
    ),
  maxBytes: byteSize({ min: 2 ** 20, max: 2 ** 50 })
    .default(defaults.NATS_MAX_BYTES)
    .describe(
      'Room for new mail on each server; above 85 % of it mail is refused with 452 4.3.1. Reserved when the streams are made; later `nats stream edit` changes it.',
    ),
  maxDeferredBytes: byteSize({ min: 2 ** 20, max: 2 ** 50 })
    .default(defaults.NATS_MAX_BYTES)
    .describe('Room for mail that waits longer than a few minutes.'),
  journalBytes: byteSize({ min: 2 ** 20, max: 2 ** 50 })
    .default(defaults.NATS_JOURNAL_BYTES)
    .describe('Room for outcomes: they are written also when there is no more room for mail.'),
  spoolStreams: z
    .int()
    .min(1)
    .max(32)
    .default(defaults.NATS_SPOOL_STREAMS)
    .describe(
      'Streams that new mail is dealt out to, each with a leader of its own. Fixed once they are made.',
    ),
  streams: z
    .enum(['Create', 'Check'])
    .default('Create')
    .describe(
      '`Check`: the streams are made by somebody else (nats.md), the user of this pod needs no right to.',
    ),
});
export type JetStreamInFile = z.infer<typeof jetStreamSchema>;
