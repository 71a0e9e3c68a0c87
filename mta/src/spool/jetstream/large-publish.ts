import { NatsConnectionImpl } from '@nats-io/nats-core/internal';
import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';

/** From this size on a payload is worth the additional writes. */
export const LARGE_BYTES = 32 * 1024;
const LINE_END = Buffer.from('\r\n');

/**
 * Publishes a payload in the pieces that it came in, without copying them: nats.js joins every payload twice, which at 100 KB costs more
 * than all else it does. Uses the library's door for its own packages; its version is pinned, and the contract suite compares every body.
 *
 * @returns `false` = not connected, nothing was sent
 */
export function publishLarge(
  connection: NatsConnection,
  subject: string,
  pieces: readonly Uint8Array[],
  reply: string,
  headers: MsgHdrs,
): boolean {
  if (!(connection instanceof NatsConnectionImpl)) throw new TypeError('this is no connection of nats.js');
  const { protocol } = connection;
  const { outbound, transport } = protocol;
  if (!protocol.connected || !protocol.infoReceived || transport.isClosed) return false;
  const set = Buffer.from(headers.toString());
  let bytes = set.length;
  for (const piece of pieces) bytes += piece.length;
  if (protocol.info !== undefined && bytes > protocol.info.max_payload)
    throw new RangeError('max_payload size exceeded');
  // What was published before goes before.
  if (outbound.size() > 0) transport.send(outbound.drain());
  transport.send(Buffer.concat([Buffer.from(`HPUB ${subject} ${reply} ${set.length} ${bytes}\r\n`), set]));
  for (const piece of pieces) if (piece.length > 0) transport.send(piece);
  transport.send(LINE_END);
  return true;
}
