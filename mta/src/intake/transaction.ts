import type { Rejection } from './contract.ts';
import type { ReceivingMemory } from './receiving-memory.ts';

/** Recipients up to which a linear search for a repeated one is cheaper than a set. */
const FEW_RECIPIENTS = 16;

/** A mail transaction (RFC 5321 §3.3): from MAIL to the reply that follows the last dot. */
export class Transaction {
  readonly sender: string;
  readonly smtputf8: boolean;
  readonly recipients: string[] = [];
  /** Set once the message cannot be accepted any more; its octets are no longer kept. */
  refusal: Rejection | undefined;
  readonly #memory: ReceivingMemory;
  #charged = 0;
  #seen: Set<string> | undefined;

  constructor(sender: string, smtputf8: boolean, memory: ReceivingMemory) {
    this.sender = sender;
    this.smtputf8 = smtputf8;
    this.#memory = memory;
  }

  /** Adds a recipient; one that is there already is taken without being added. `false` = the limit is reached. */
  add(address: string, maxRecipients: number): boolean {
    const { recipients } = this;
    if (this.#has(address)) return true;
    if (recipients.length >= maxRecipients) return false;
    recipients.push(address);
    this.#seen?.add(address);
    return true;
  }

  #has(address: string): boolean {
    const { recipients } = this;
    if (recipients.length < FEW_RECIPIENTS) return recipients.includes(address);
    this.#seen ??= new Set(recipients);
    return this.#seen.has(address);
  }

  /** Counts a received piece against the bound of all sessions. */
  charge(octets: number): void {
    this.#charged += this.#memory.charge(octets);
  }

  /** Gives back everything that was charged; may be called again. */
  release(): void {
    this.#memory.release(this.#charged);
    this.#charged = 0;
  }
}
