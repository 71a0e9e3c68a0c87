import { z } from 'zod';
import * as defaults from './defaults.ts';
import { natsCredentials, natsPrefix, natsServer, natsTls } from './jetstream-schema.ts';
import { byteSize, duration, optional } from './settings-fields.ts';

const OF_SPOOL = 'the default is the one of `spec.spool.jetstream`';

/** `spec.events.jetstream`. */
export const eventStreamSchema = z.strictObject({
  servers: optional(
    z
      .array(natsServer)
      .min(1)
      .max(20)
      .describe(
        'Servers of the NATS cluster that keeps events; the default are those of `spec.spool.jetstream`, with its credentials and TLS.',
      ),
  ),
  credentials: optional(natsCredentials.describe('How the pod logs in there; exactly one way.')),
  tls: optional(natsTls.describe('TLS towards NATS.')),
  prefix: optional(
    natsPrefix.describe(
      `Begins the subjects and the stream's name; ${OF_SPOOL}, else \`${defaults.NATS_PREFIX}\`.`,
    ),
  ),
  durability: optional(
    z
      .enum(['Single', 'Replicated', 'Synced'])
      .describe(`Copies of every event, as in \`spec.spool.jetstream\`; ${OF_SPOOL}, else \`Replicated\`.`),
  ),
  guarantee: z
    .enum(['Complete', 'BestEffort'])
    .default('Complete')
    .describe(
      '`Complete`: an outcome is recorded only after its event is stored, so that no terminal event is missing after a crash; while the stream takes nothing, nothing is sent. `BestEffort`: mail never waits for events; what does not fit into memory is dropped and counted.',
    ),
  maxBytes: byteSize({ min: 2 ** 20, max: 2 ** 50 })
    .default(defaults.EVENTS_MAX_BYTES)
    .describe(
      'Room on each server; then the oldest events are discarded. Used when the stream is made; later `nats stream edit` changes it.',
    ),
  maxAge: duration({ min: '1m', max: '8784h' })
    .default(defaults.EVENTS_MAX_AGE_MS)
    .describe('Age at which events are discarded. Used when the stream is made.'),
  stream: z
    .enum(['Create', 'Check'])
    .default('Create')
    .describe('`Check`: the stream is made by somebody else; the user of this pod needs no right to.'),
});
export type EventStreamInFile = z.infer<typeof eventStreamSchema>;
