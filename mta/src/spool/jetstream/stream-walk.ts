import { DeliverPolicy, type JetStreamClient, type JsMsg } from '@nats-io/jetstream';

export interface WalkRange {
  readonly stream: string;
  readonly filter: string;
  /** The first sequence that is wanted. */
  readonly from: number;
  /** The walk ends with this sequence, which is known to be there. */
  readonly to: number;
  readonly headersOnly: boolean;
}

/** Messages that are on their way while earlier ones are worked on. */
const AHEAD = 2_000;

/**
 * Messages of a filter in the order of their sequences, up to one that is known to exist: the consumer may read a replica that lags behind, so
 * "no more for now" is no end.
 */
export async function* walkStream(
  client: JetStreamClient,
  { stream, filter, from, to, headersOnly }: WalkRange,
): AsyncGenerator<JsMsg> {
  const consumer = await client.consumers.get(stream, {
    filter_subjects: filter,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: Math.max(1, from),
    headers_only: headersOnly,
  });
  const messages = await consumer.consume({ max_messages: AHEAD });
  try {
    for await (const message of messages) {
      if (message.seq > to) return;
      yield message;
      if (message.seq === to) return;
    }
  } finally {
    await messages.close();
    await consumer.delete().catch(() => undefined);
  }
}
