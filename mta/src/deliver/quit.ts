import { CLOSE_LIMIT_MS, type Connection } from './connection.ts';

/**
 * Ends a connection in an orderly way: QUIT, its 221, the peer's FIN (RFC 5321 §4.1.1.10); after {@link CLOSE_LIMIT_MS} a reset.
 * Resolves when the peer does not count the connection any more, at once if that is so already.
 */
export async function quit(connection: Connection, timeoutMs: number): Promise<void> {
  if (connection.end === undefined) {
    await new Promise<void>((resolve) => {
      connection.user = {
        // A reply to a command before QUIT may still come first; all that refuses QUIT means the same as 221.
        onReply: (reply) => {
          if (reply.code === 221 || reply.code >= 400) connection.shutDown();
        },
        onConnectionEnd: () => resolve(),
        onDrain() {},
      };
      connection.arm(Math.min(timeoutMs, CLOSE_LIMIT_MS));
      connection.socket.write('QUIT\r\n');
    });
  }
  await connection.gone();
}
