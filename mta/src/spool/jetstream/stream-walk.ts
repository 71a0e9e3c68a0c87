import { DeliverPolicy, type JetStreamClient, type JetStreamManager, type JsMsg } from '@nats-io/jetstream';

export interface WalkRange {
  readonly stream: string;
  readonly filter: string;
  /** The first sequence that is wanted. */
  readonly from: number;
  /** The walk ends with this sequence; something of the filter was there when it began. */
  readonly to: number;
  readonly headersOnly: boolean;
}

/** Messages that are on their way while earlier ones are worked on. */
const AHEAD = 2_000;
/**
 * A request for messages that a cluster loses (its consumer has no leader yet) is made again after so long; the library's default would be
 * half a minute.
 */
export const PULL_EXPIRES_MS = 2_000;
/** Without a message for so long the leader is asked whether there is any left. */
const IDLE_CHECK_MS = 500;

/**
 * Messages of a filter in the order of their sequences, up to one that was there at the beginning: the consumer may read a replica that
 * lags behind, so "no more for now" is no end. What is purged meanwhile is not waited for.
 */
export async function* walkStream(
  { client, manager }: { readonly client: JetStreamClient; readonly manager: JetStreamManager },
  { stream, filter, from, to, headersOnly }: WalkRange,
): AsyncGenerator<JsMsg> {
  const consumer = await client.consumers.get(stream, {
    filter_subjects: filter,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: Math.max(1, from),
    headers_only: headersOnly,
  });
  const messages = await consumer.consume({ max_messages: AHEAD, expires: PULL_EXPIRES_MS });
  let seen = Math.max(0, from - 1);
  let seenBefore = -1;
  const idle = setInterval(() => {
    if (seen !== seenBefore) {
      seenBefore = seen;
      return;
    }
    manager.streams.getMessage(stream, { last_by_subj: filter }).then(
      (last) => {
        if (last === null || last.seq <= seen) messages.stop();
      },
      () => undefined,
    );
  }, IDLE_CHECK_MS);
  try {
    for await (const message of messages) {
      if (message.seq > to) return;
      seen = message.seq;
      yield message;
      if (message.seq === to) return;
    }
  } finally {
    clearInterval(idle);
    await messages.close();
    await consumer.delete().catch(() => undefined);
  }
}
