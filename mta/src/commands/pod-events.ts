import type { Logger, Settings } from '../config/mod.ts';
import { createEventSink, type EventSink, openEventStream } from '../report/mod.ts';

/**
 * Opens everything that reads a pod's events.
 *
 * @throws {SluiceError} for a file or a stream that cannot be used
 */
export async function openEvents(
  { events: settings, hostname }: Settings,
  logger: Logger,
): Promise<EventSink> {
  const { jetstream } = settings;
  if (jetstream === undefined) return createEventSink({ settings, logger });
  const stream = await openEventStream(jetstream, `sluice ${hostname} events`, logger);
  return createEventSink({ settings, logger, stream });
}
