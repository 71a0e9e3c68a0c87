import type { Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { TLSSocket } from 'node:tls';

/** One side is done and the other goes on alone for at most so long without an octet, milliseconds. */
export const HALF_CLOSED_IDLE_MS = 60_000;

/** Two pipelines listen to each socket, and TLS does: more than Node takes for a leak. */
const MAX_LISTENERS = 30;

/**
 * Joins two connections until both are over: octets with back-pressure, the end of each direction by itself (half-close), and a reset as a
 * reset, so that a host does not take a message that was cut for one that ended. Nothing in either direction for `idleTimeoutMs` resets both.
 *
 * Calls `onEnd` once, when both sockets are closed.
 */
export function relay(client: Socket, target: Socket, idleTimeoutMs: number, onEnd: () => void): void {
  let open = 2;
  const closed = (): void => {
    if (--open === 0) onEnd();
  };
  for (const [socket, other] of [
    [client, target],
    [target, client],
  ] as const) {
    socket.setMaxListeners(MAX_LISTENERS);
    // Before the pipeline's own listeners, which would end the other side in an orderly way.
    socket.on('error', () => reset(other));
    if (socket.closed) closed();
    else socket.once('close', closed);
    // Whatever moves is read from one and written to the other, so each of them sees all of it.
    socket.setTimeout(idleTimeoutMs, () => {
      reset(client);
      reset(target);
    });
    pipeline(socket, other, () => {
      // 0 would be no limit.
      if (!other.destroyed) other.setTimeout(Math.min(idleTimeoutMs, HALF_CLOSED_IDLE_MS));
      if (!socket.destroyed) socket.setTimeout(Math.min(idleTimeoutMs, HALF_CLOSED_IDLE_MS));
    });
  }
}

/** Closes at once; the peer hears of it. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  // Node has no reset under TLS; between end() and its FIN libuv refuses one, and the handle would stay open.
  const sayingGoodbye = socket.writableEnded && !socket.writableFinished;
  if (socket instanceof TLSSocket || sayingGoodbye) socket.destroy();
  else socket.resetAndDestroy();
}
