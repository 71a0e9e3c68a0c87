import type { Rejection } from './contract.ts';
import type { Transaction } from './transaction.ts';

/**
 * The octets of one BDAT (RFC 3030 §2) while they come. With a refusal they are read and dropped: whatever is wrong, they must never be
 * taken for commands.
 */
export class ChunkPhase {
  readonly octets: number;
  readonly last: boolean;
  readonly refusal: Rejection | undefined;
  #left: number;

  constructor(command: BdatCommand, refusal: Rejection | undefined) {
    this.octets = command.octets;
    this.last = command.last;
    this.refusal = refusal;
    this.#left = command.octets;
  }

  get complete(): boolean {
    return this.#left === 0;
  }

  /** Takes from `received` what belongs to the chunk; returns the index behind it. */
  take(
    received: Buffer,
    from: number,
    transaction: Transaction | undefined,
    maxMessageBytes: number,
  ): number {
    const end = Math.min(received.length, from + this.#left);
    this.#left -= end - from;
    if (this.refusal === undefined) {
      transaction?.receive(
        end === received.length ? received : received.subarray(0, end),
        from,
        maxMessageBytes,
      );
    }
    return end;
  }
}

export interface BdatCommand {
  readonly octets: number;
  readonly last: boolean;
}

/**
 * Reads the argument of BDAT. `undefined` = nobody can tell how many octets follow, so nothing that follows may be read.
 *
 * Example: `parseBdat('1000 LAST')` → `{ octets: 1000, last: true }`
 */
export function parseBdat(argument: string): BdatCommand | undefined {
  const match = /^([0-9]{1,15})(?: +(LAST))?$/i.exec(argument);
  return match === null ? undefined : { octets: Number(match[1]), last: match[2] !== undefined };
}
