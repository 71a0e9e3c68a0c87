import type { NatsConnection } from '@nats-io/transport-node';
import { SluiceError } from '@sluice/crds';
import { z } from 'zod';
import type { EventType } from './event.ts';
import type { EventStreamLayout } from './event-stream-layout.ts';

/** Batches that are on their way while earlier ones are read. */
const BATCHES_AHEAD = 50;

const text = z.string().default('');
const seenEventSchema = z.looseObject({
  type: z.string(),
  time: z.string(),
  id: z.string(),
  sender: z.string(),
  recipients: z.array(z.string()),
  tenant: text,
  source: text,
  mxHost: text,
  reason: text,
  reply: z.exactOptional(z.object({ code: z.number(), enhanced: z.string(), text: z.string() })),
});

/** An event as it comes from the stream: what people look at, and members of other versions of Sluice too. */
export type SeenEvent = z.infer<typeof seenEventSchema>;

export interface EventsWanted {
  /** Empty = all. */
  readonly types: readonly EventType[];
  /** Wall time from which on, milliseconds; absent = only what comes from now on. */
  readonly sinceMs?: number;
  /** `false`: ends with what is there now. */
  readonly follow: boolean;
  /** Ends a walk that follows. */
  readonly signal?: AbortSignal;
}

/**
 * Walks the stream of events, batch by batch, each event with the line that it came as. What is no event is left out.
 *
 * @throws {SluiceError} `SLUICE_EVENTS_STREAM_UNUSABLE`
 *
 * Example: `for await (const { event } of readEventStream(nats, layout, { types: ['bounced'], sinceMs, follow: false })) …`
 */
export async function* readEventStream(
  connection: NatsConnection,
  layout: EventStreamLayout,
  { types, sinceMs, follow, signal }: EventsWanted,
): AsyncGenerator<{ readonly event: SeenEvent; readonly line: string }> {
  const { DeliverPolicy, jetstream } = await import('@nats-io/jetstream');
  const subjects = types.length === 0 ? [layout.subjects] : types.map((type) => layout.subject(type));
  const start =
    sinceMs === undefined
      ? { deliver_policy: DeliverPolicy.New }
      : // An event is stored after it happened, never before.
        { deliver_policy: DeliverPolicy.StartTime, opt_start_time: new Date(sinceMs).toISOString() };
  const consumer = await usable(layout, () =>
    jetstream(connection).consumers.get(layout.stream, { filter_subjects: subjects, ...start }),
  );
  const { num_pending: pending } = await usable(layout, () => consumer.info());
  if (!follow && pending === 0) return;
  const messages = await consumer.consume({ max_messages: BATCHES_AHEAD });
  const stop = (): void => messages.stop();
  signal?.addEventListener('abort', stop, { once: true });
  try {
    for await (const message of messages) {
      for (const line of message.string().split('\n')) {
        const event = eventIn(line);
        if (event !== undefined && Date.parse(event.time) >= (sinceMs ?? 0)) yield { event, line };
      }
      if (!follow && message.info.pending === 0) return;
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    await messages.close();
    await consumer.delete().catch(() => undefined);
  }
}

function eventIn(line: string): SeenEvent | undefined {
  if (line === '') return undefined;
  try {
    return seenEventSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

async function usable<T>(layout: EventStreamLayout, attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    const reason = `${layout.stream}: ${error instanceof Error ? error.message : String(error)}`;
    const cure =
      'Check that spec.events.jetstream is set for the MTAs, the prefix, and that this user may make consumers of the stream (docs/reference/events.md).';
    throw new SluiceError('SLUICE_EVENTS_STREAM_UNUSABLE', { reason, cure }, {}, error);
  }
}
