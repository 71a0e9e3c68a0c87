import type { NatsConnection } from '@nats-io/transport-node';
import type { ConnectionHooks, NatsOptions } from './jetstream/connection.ts';

/**
 * A connection to NATS for what is not mail: events, questions to pods. It comes back by itself, for ever. The client library is loaded
 * only here.
 *
 * @throws {SluiceError} `SLUICE_NATS_UNREACHABLE`, `SLUICE_NATS_REFUSED`, `SLUICE_NATS_TOO_OLD`
 *
 * Example: `const nats = await openNats({ ...settings, inboxPrefix: 'sluice.inbox', name: 'sluice events' })`
 */
export async function openNats(options: NatsOptions, hooks?: ConnectionHooks): Promise<NatsConnection> {
  const { connectNats, watchConnection } = await import('./jetstream/connection.ts');
  const connection = await connectNats(options);
  if (hooks !== undefined) void watchConnection(connection, hooks);
  return connection;
}

/** Does something again while it fails because NATS is not ready yet; the last failure is thrown after `patienceMs`. */
export async function whileNatsSettles<T>(patienceMs: number, attempt: () => Promise<T>): Promise<T> {
  const { patiently } = await import('./jetstream/patience.ts');
  return patiently(patienceMs, attempt);
}
