import type { Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { type ConnectionEnd, endOfError, unexpected } from './connection-end.ts';
import { type Deadline, unwatchDeadline, watchDeadline } from './deadline-ticker.ts';
import { ReplyParser, type WireReply } from './reply-parser.ts';
import { printable } from './reply-text.ts';
import type { TlsUpgrade } from './tls-level.ts';

/**
 * After a reset the peer needs this long to see it and to stop counting the connection, milliseconds: one trip, and the time until a
 * busy server looks at its sockets. A slot that is given out again earlier could be counted twice.
 */
export const DESTROY_GRACE_MS = 500;

/** Resolves when a peer whose connection is reset now does not count it any more. */
export function afterReset(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, DESTROY_GRACE_MS));
}

/** A peer that was told good-bye and does not close is reset after this long, milliseconds. */
export const CLOSE_LIMIT_MS = 5_000;

/** Who has the word: is told each reply and the end. Without one a reply is unsolicited and ends the connection. */
export interface ConnectionUser {
  onReply(reply: WireReply): void;
  /** Called once; nothing comes after it. */
  onConnectionEnd(end: ConnectionEnd): void;
  /** What was written has left; write on. */
  onDrain(): void;
}

/** One socket to a server: replies in, octets out, one deadline, one end. Knows nothing of what a command means. */
export class Connection implements Deadline {
  user: ConnectionUser | undefined;
  /** Set as soon as nothing can be said any more. */
  end: ConnectionEnd | undefined;
  deadlineAtMs = Number.POSITIVE_INFINITY;
  readonly #raw: Socket;
  #socket: Socket;
  #parser = new ReplyParser();
  #gone: Promise<void> | undefined;

  constructor(socket: Socket) {
    this.#raw = socket;
    this.#socket = socket;
    // Once TLS has taken it over nobody else listens there.
    socket.on('error', () => {});
    watchDeadline(this);
    this.#listen();
    if (socket.destroyed) this.#finish({ cause: 'closed', detail: 'connection closed by the peer' });
  }

  /** What the current user writes to. */
  get socket(): Socket {
    return this.#socket;
  }

  get encrypted(): boolean {
    return this.#socket !== this.#raw;
  }

  /** Whether everything that the peer has said so far was heard; what it says beyond that before the next command is written answers nothing. */
  get quiet(): boolean {
    return this.#parser.empty;
  }

  /** Ends the connection when octets wait that no command asked for. Returns whether the next command may be written. */
  mayGoOn(): boolean {
    if (this.end === undefined && !this.quiet) this.reset(BEFORE_ITS_COMMAND);
    return this.end === undefined;
  }

  /** The peer has this long until it must have said something complete. */
  arm(timeoutMs: number): void {
    this.deadlineAtMs = performance.now() + timeoutMs;
  }

  disarm(): void {
    this.deadlineAtMs = Number.POSITIVE_INFINITY;
  }

  /** Writes one command (without its CRLF; `undefined` = the greeting is awaited) and waits for its one reply. */
  ask(command: string | undefined, timeoutMs: number): Promise<WireReply | ConnectionEnd> {
    if (command !== undefined) this.mayGoOn();
    if (this.end !== undefined) return Promise.resolve(this.end);
    return new Promise((resolve) => {
      const settle = (answer: WireReply | ConnectionEnd): void => {
        this.user = undefined;
        this.disarm();
        resolve(answer);
      };
      this.user = { onReply: settle, onConnectionEnd: settle, onDrain() {} };
      this.arm(timeoutMs);
      if (command !== undefined) this.#socket.write(`${command}\r\n`, 'utf8');
    });
  }

  /**
   * Starts TLS on the open connection (RFC 3207). Octets that came in clear behind the reply to STARTTLS are an
   * attack or a broken server, and end the connection: they must not be read as if TLS had protected them.
   *
   * The certificate is not looked at here: whoever asks for one must check `authorized` before it says anything (certificate-check.ts).
   */
  upgrade(
    upgrade: TlsUpgrade,
    timeoutMs: number,
    onTicket: (session: Buffer) => void,
  ): Promise<TLSSocket | ConnectionEnd> {
    if (this.end !== undefined) return Promise.resolve(this.end);
    if (!this.#parser.empty) {
      this.reset({ cause: 'protocol', detail: 'octets in clear after the reply to STARTTLS' });
      return Promise.resolve(this.end ?? CLOSED);
    }
    this.#unlisten();
    const secure = connectTls({ ...upgrade, socket: this.#raw, rejectUnauthorized: false });
    secure.on('session', onTicket);
    this.#socket = secure;
    this.#parser = new ReplyParser();
    return new Promise((resolve) => {
      this.user = {
        onReply: (reply) => this.unsolicited(reply),
        onConnectionEnd: (end) => {
          this.user = undefined;
          resolve(
            end.cause === 'closed' ? { cause: 'tls', detail: `TLS handshake failed: ${end.detail}` } : end,
          );
        },
        onDrain() {},
      };
      this.arm(timeoutMs);
      secure.once('secureConnect', () => {
        if (this.end !== undefined) return;
        this.user = undefined;
        this.disarm();
        secure.off('error', this.#onHandshakeError);
        this.#listen();
        // Not at once: who takes the connection down in the middle of this event makes Node 26 crash (it still reads the handle afterwards).
        setImmediate(() => resolve(secure));
      });
      secure.on('error', this.#onHandshakeError);
      secure.once('close', this.#onClose);
    });
  }

  /** Takes the connection down at once; what the kernel has not sent yet is thrown away. */
  reset(end: ConnectionEnd): void {
    if (!this.#raw.destroyed) {
      this.#gone ??= afterReset();
    }
    // First the reason: destroying a socket lets it speak up, and what it says then is our own doing.
    const news = this.end === undefined;
    this.end ??= end;
    // In the moment between end() and its FIN libuv refuses a reset (EINVAL), and the handle would stay open for ever.
    const sayingGoodbye = this.#socket.writableEnded && !this.#socket.writableFinished;
    // A way through TLS to a proxy has no reset of its own.
    if (sayingGoodbye || this.#raw instanceof TLSSocket) this.#raw.destroy();
    else this.#raw.resetAndDestroy();
    this.#socket.destroy();
    if (news) this.#announce(end);
  }

  /** 421: the peer closes (RFC 5321 §3.8). Nothing is said any more, its FIN is waited for in {@link gone}. */
  peerCloses(reply: WireReply): void {
    const end: ConnectionEnd = { cause: 'reply', detail: 'the peer closes the session', reply };
    if (this.#socket.writableLength > 0) {
      // It has stopped listening in the middle of what we say.
      this.reset(end);
      return;
    }
    this.#socket.end();
    this.#finish(end);
  }

  /** Says that nothing more will be said; the peer is expected to close. */
  shutDown(): void {
    this.#socket.end();
  }

  /** Resolves when the peer does not count this connection any more: it has closed, or was reset {@link DESTROY_GRACE_MS} ago. */
  async gone(): Promise<void> {
    if (this.#gone === undefined && !this.#raw.destroyed) {
      await new Promise<void>((resolve) => {
        const limit = setTimeout(() => {
          this.reset({ cause: 'timeout', detail: 'the peer did not close' });
          resolve();
        }, CLOSE_LIMIT_MS);
        this.#raw.once('close', () => {
          clearTimeout(limit);
          resolve();
        });
      });
    }
    await this.#gone;
  }

  onDeadline(): void {
    this.reset({ cause: 'timeout', detail: 'no answer in time' });
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on('data', this.#onData);
    socket.on('drain', this.#onDrain);
    socket.on('end', this.#onClose);
    socket.on('close', this.#onClose);
    socket.on('error', this.#onError);
  }

  #unlisten(): void {
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('drain', this.#onDrain);
    socket.off('end', this.#onClose);
    socket.off('close', this.#onClose);
    socket.off('error', this.#onError);
  }

  readonly #onData = (chunk: Buffer): void => {
    const parser = this.#parser;
    parser.push(chunk);
    for (let reply = parser.next(); reply !== undefined; reply = parser.next()) {
      if (this.end !== undefined) return;
      if (this.user === undefined) this.unsolicited(reply);
      else this.user.onReply(reply);
    }
    if (parser.violation === undefined || this.end !== undefined) return;
    this.reset({ cause: 'protocol', detail: printable(parser.violation) });
  };

  /** RFC 5321 §3.8: 421 may come at any time; anything else would be taken for the answer to the next command. */
  unsolicited(reply: WireReply): void {
    if (reply.code === 421) this.peerCloses(reply);
    else this.reset(unexpected(reply));
  }

  readonly #onDrain = (): void => this.user?.onDrain();

  readonly #onError = (error: Error): void => {
    this.#socket.destroy();
    this.#raw.destroy();
    this.#finish(endOfError(error));
  };

  readonly #onHandshakeError = (error: Error): void => {
    this.reset({ cause: 'tls', detail: `TLS handshake failed: ${printable(error.message)}` });
  };

  readonly #onClose = (): void => {
    this.#socket.destroy();
    this.#raw.destroy();
    this.#finish(CLOSED);
  };

  #finish(end: ConnectionEnd): void {
    if (this.end !== undefined) return;
    this.end = end;
    this.#announce(end);
  }

  #announce(end: ConnectionEnd): void {
    this.disarm();
    unwatchDeadline(this);
    this.user?.onConnectionEnd(end);
  }
}

const BEFORE_ITS_COMMAND: ConnectionEnd = {
  cause: 'protocol',
  detail: 'the peer said more than it was asked',
};
const CLOSED: ConnectionEnd = { cause: 'closed', detail: 'connection closed by the peer' };
