import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import { errors, type NatsConnection, nanos } from '@nats-io/transport-node';
import { SluiceError } from '@sluice/crds';
import type { EventStreamSettings } from '../config/mod.ts';
import type { EventStreamLayout } from './event-stream-layout.ts';

/** A batch that is sent again within it is stored once. */
const DUPLICATE_WINDOW_MS = 120_000;

/**
 * Makes the stream of events when it is missing, or checks it; many pods may do it at once. Its room and its age are the user's: what is
 * there is left alone.
 *
 * @throws {SluiceError} `SLUICE_NATS_STREAM` for a stream that would refuse or lose events, `SLUICE_EVENTS_STREAM_UNUSABLE`
 */
export async function prepareEventStream(
  connection: NatsConnection,
  layout: EventStreamLayout,
  settings: EventStreamSettings,
): Promise<void> {
  try {
    const manager = await jetstreamManager(connection);
    const found = (await configOf(manager, layout.stream)) ?? (await made(manager, layout, settings));
    check(found, layout);
  } catch (error) {
    if (error instanceof SluiceError || isPassing(error)) throw error;
    throw unusable(error, layout.stream);
  }
}

async function configOf(manager: JetStreamManager, name: string): Promise<StreamConfig | undefined> {
  try {
    return (await manager.streams.info(name)).config;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound)
      return undefined;
    throw error;
  }
}

async function made(
  manager: JetStreamManager,
  layout: EventStreamLayout,
  settings: EventStreamSettings,
): Promise<StreamConfig> {
  if (settings.stream === 'Check') {
    const cure = 'Make it (docs/reference/events.md), or set spec.events.jetstream.stream to Create.';
    const reason = `there is no stream ${layout.stream}`;
    throw new SluiceError('SLUICE_EVENTS_STREAM_UNUSABLE', { reason, cure });
  }
  try {
    const info = await manager.streams.add({
      name: layout.stream,
      subjects: [layout.subjects],
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.Old,
      max_bytes: settings.maxBytes,
      max_age: nanos(settings.maxAgeMs),
      num_replicas: settings.durability === 'Single' ? 1 : 3,
      duplicate_window: nanos(Math.min(DUPLICATE_WINDOW_MS, settings.maxAgeMs)),
      allow_direct: true,
      metadata: { 'sluice.format': '1' },
    });
    return info.config;
  } catch (error) {
    // Another pod was faster, with other settings.
    const found = await configOf(manager, layout.stream);
    if (found !== undefined) return found;
    throw error;
  }
}

function check(found: StreamConfig, layout: EventStreamLayout): void {
  const edit = (change: string): string => `nats stream edit ${layout.stream} ${change}`;
  const wrong = (field: string, has: string, wanted: string, cure: string): SluiceError =>
    new SluiceError('SLUICE_NATS_STREAM', { stream: layout.stream, field, found: has, wanted, cure });
  if (!found.subjects.includes(layout.subjects))
    throw wrong(
      'subjects',
      found.subjects.join(' '),
      layout.subjects,
      edit(`--subjects '${layout.subjects}'`),
    );
  // A full stream that refuses events would stop mail.
  if (found.discard !== DiscardPolicy.Old)
    throw wrong('discard', found.discard, DiscardPolicy.Old, edit('--discard old'));
  if (found.retention !== RetentionPolicy.Limits) {
    const cure =
      'It cannot be changed: give Sluice another spec.events.jetstream.prefix, or remove the stream.';
    throw wrong('retention', found.retention, RetentionPolicy.Limits, cure);
  }
}

function isPassing(error: unknown): boolean {
  return (
    error instanceof errors.TimeoutError ||
    error instanceof errors.NoRespondersError ||
    (error instanceof JetStreamApiError && error.status === 503)
  );
}

function unusable(error: unknown, stream: string): SluiceError {
  const reason = error instanceof Error ? error.message : String(error);
  const cure =
    'Check that JetStream is enabled for the account, that the servers have room for maxBytes and are as many as durability needs, and the permissions of the user (docs/reference/events.md).';
  return new SluiceError(
    'SLUICE_EVENTS_STREAM_UNUSABLE',
    { reason: `${stream}: ${reason}`, cure },
    {},
    error,
  );
}
