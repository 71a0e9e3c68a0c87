/** Octets that are charged for a piece beside its own: the objects that hold it. Bounds messages that trickle in. */
const PIECE_OVERHEAD_BYTES = 256;

/** New messages are refused above this share of the bound, so that those under way can be finished. */
const SHARE_FOR_NEW_MESSAGES = 0.75;

/** Counts the octets of all messages that are being received, over all sessions of a listener. */
export class ReceivingMemory {
  readonly maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Whether another message of (if told) so many octets may begin. */
  hasRoomFor(declaredBytes: number): boolean {
    if (this.#bytes >= this.maxBytes * SHARE_FOR_NEW_MESSAGES) return false;
    return this.#bytes + declaredBytes <= this.maxBytes;
  }

  /** Charges one received piece; returns what was charged, to be given back with {@link release}. */
  charge(octets: number): number {
    const charged = octets + PIECE_OVERHEAD_BYTES;
    this.#bytes += charged;
    return charged;
  }

  get exceeded(): boolean {
    return this.#bytes > this.maxBytes;
  }

  release(charged: number): void {
    this.#bytes -= charged;
  }
}
