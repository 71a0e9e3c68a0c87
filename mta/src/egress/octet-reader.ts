import type { Socket } from 'node:net';

/** The peer said less than the protocol asks for, and closed. */
export class PeerClosed extends Error {
  constructor() {
    super('it closed the connection');
    this.name = 'PeerClosed';
  }
}

/**
 * Reads exactly so many octets at a time and leaves what follows in the socket: behind the last answer of a proxy the greeting of a mail host may
 * come in the same packet.
 */
export class OctetReader {
  readonly #socket: Socket;
  readonly #onGone: () => void;
  #wanted = 0;
  #deliver: ((octets: Buffer) => void) | undefined;
  #refuse: ((reason: unknown) => void) | undefined;
  #ended: unknown;
  #over = false;

  /** `onGone` is told when the peer has closed, also while nobody reads. */
  constructor(socket: Socket, onGone: () => void = () => {}) {
    this.#socket = socket;
    this.#onGone = onGone;
    socket.on('readable', this.#look);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onEnd);
    socket.on('error', this.stop);
  }

  /** Rejects with {@link PeerClosed}, the system's error, or what {@link stop} was told. One read at a time; `count` > 0. */
  read(count: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      this.#wanted = count;
      this.#deliver = resolve;
      this.#refuse = reject;
      this.#look();
      if (this.#over && this.#deliver === resolve) this.stop(this.#ended);
    });
  }

  /** Whoever reads is told so, and nobody can read any more. */
  readonly stop = (reason: unknown): void => {
    if (!this.#over) {
      this.#over = true;
      this.#ended = reason;
      this.#onGone();
    }
    const refuse = this.#refuse;
    this.#deliver = undefined;
    this.#refuse = undefined;
    refuse?.(this.#ended);
  };

  /** Gives the socket back; errors are the next owner's. */
  release(): void {
    this.#socket.off('readable', this.#look);
    this.#socket.off('end', this.#onEnd);
    this.#socket.off('close', this.#onEnd);
    this.#socket.off('error', this.stop);
  }

  readonly #onEnd = (): void => this.stop(new PeerClosed());

  readonly #look = (): void => {
    const deliver = this.#deliver;
    if (deliver === undefined) {
      // The end comes only to who reads, and nothing is taken by reading nothing.
      if (this.#socket.readableLength === 0) this.#socket.read(0);
      return;
    }
    const octets: Buffer | null = this.#socket.read(this.#wanted);
    // At the end of the stream what is left comes, however little.
    if (octets === null || octets.length < this.#wanted) return;
    this.#deliver = undefined;
    this.#refuse = undefined;
    deliver(octets);
  };
}
