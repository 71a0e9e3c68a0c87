import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import type { EventStreamSettings, Logger } from '../config/mod.ts';
import { newMessageId, openNats, whileNatsSettles } from '../spool/mod.ts';
import { type EventBatch, EventStream, type StoreResult } from './event-stream.ts';
import { EVENT_COUNT_HEADER, EventStreamLayout } from './event-stream-layout.ts';

/** An ack that takes longer is asked for again, milliseconds. */
const ACK_TIMEOUT_MS = 5_000;
/** How long a start waits for the stream; then the supervisor starts the pod again. */
const START_PATIENCE_MS = 30_000;
/** `errors.json` of nats-server: no stream ever takes such a message. */
const MESSAGE_TOO_LARGE = 10_054;

/** The stream of events with the connection that it is reached by. */
export interface OpenEventStream {
  readonly stream: EventStream;
  close(): Promise<void>;
}

/**
 * Connects to NATS, makes or checks the stream, and stores batches in it. A batch that is sent twice is stored once: it has an id by which
 * the server knows it again for two minutes.
 *
 * @throws {SluiceError} `SLUICE_NATS_UNREACHABLE`, `_REFUSED`, `_TOO_OLD`, `_STREAM`, `SLUICE_EVENTS_STREAM_UNUSABLE`
 */
export async function openEventStream(
  settings: EventStreamSettings,
  name: string,
  logger: Logger,
): Promise<OpenEventStream> {
  const layout = new EventStreamLayout(settings.prefix);
  let down = false;
  const connection = await openNats(
    { ...settings, inboxPrefix: layout.inboxPrefix, name },
    {
      onDown: () => {
        down = true;
      },
      onUp: () => {
        down = false;
      },
    },
  );
  const { prepareEventStream } = await import('./prepare-event-stream.ts');
  try {
    await whileNatsSettles(START_PATIENCE_MS, () => prepareEventStream(connection, layout, settings));
  } catch (error) {
    await connection.close();
    throw error;
  }
  const { headers } = await import('@nats-io/transport-node');
  const session = newMessageId(Date.now());
  const headersOf = ({ number, count }: EventBatch): MsgHdrs => {
    const made = headers();
    made.set('Nats-Msg-Id', `${session}.${number}`);
    made.set(EVENT_COUNT_HEADER, String(count));
    return made;
  };
  /** Nobody takes events: the stream was deleted, or has no leader for now. A pod that may make it makes it again. */
  const missing = async (): Promise<StoreResult> => {
    try {
      await prepareEventStream(connection, layout, settings);
      return { kind: 'again', reason: 'the stream has no leader' };
    } catch (error) {
      return { kind: 'again', reason: error instanceof Error ? error.message : String(error) };
    }
  };
  const stream = new EventStream({
    guarantee: settings.guarantee,
    onState(reason) {
      if (reason === undefined) logger.info({ stream: layout.stream }, 'events are stored again');
      else if (settings.guarantee === 'Complete')
        logger.error(
          { stream: layout.stream, reason },
          'events cannot be stored: no outcome is recorded, nothing is sent',
        );
      else logger.error({ stream: layout.stream, reason }, 'events cannot be stored');
    },
    async store(batch) {
      // The client would keep what is published now in an unbounded buffer.
      if (down) return { kind: 'again', reason: 'NATS is gone' };
      const result = await sent(connection, layout.subject(batch.type), batch.payload, headersOf(batch));
      return result === 'nobody' ? missing() : result;
    },
  });
  return {
    stream,
    async close() {
      stream.close();
      await connection.close();
    },
  };
}

async function sent(
  connection: NatsConnection,
  subject: string,
  payload: Buffer,
  headers: MsgHdrs,
): Promise<StoreResult | 'nobody'> {
  if (payload.length > (connection.info?.max_payload ?? Number.POSITIVE_INFINITY))
    return { kind: 'never', reason: `an event of ${payload.length} bytes is above the server's max_payload` };
  try {
    const answer = await connection.request(subject, payload, { timeout: ACK_TIMEOUT_MS, headers });
    return storeResult(answer.string());
  } catch (error) {
    if (isNobody(error)) return 'nobody';
    return { kind: 'again', reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The client library wraps it, or not. */
function isNobody(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return error.name === 'NoResponders' || isNobody(error.cause);
}

interface RawAck {
  readonly seq?: unknown;
  readonly error?: { readonly err_code?: unknown; readonly description?: unknown };
}

/** Reads an ack of JetStream: `{"stream":"s","seq":17}` or `{"error":{"err_code":…,"description":…}}`. */
export function storeResult(text: string): StoreResult {
  let ack: RawAck;
  try {
    ack = JSON.parse(text) ?? {};
  } catch {
    return { kind: 'again', reason: 'an ack is no JSON' };
  }
  if (typeof ack.seq === 'number' && ack.error === undefined) return { kind: 'stored' };
  const code = Number(ack.error?.err_code ?? 0);
  const reason = `${String(ack.error?.description ?? 'an ack without a sequence')} (${code})`;
  return { kind: code === MESSAGE_TOO_LARGE ? 'never' : 'again', reason };
}
