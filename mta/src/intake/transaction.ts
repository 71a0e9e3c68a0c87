import type { Rejection } from './contract.ts';
import { type BareLineEnding, DataPhase } from './data-phase.ts';
import type { MailCommand } from './mail-command.ts';
import type { ReceivingMemory } from './receiving-memory.ts';
import { REFUSALS } from './replies.ts';

/** Recipients up to which a linear search for a repeated one is cheaper than a set. */
const FEW_RECIPIENTS = 16;

/** A mail transaction (RFC 5321 §3.3): from MAIL to the reply that follows the last dot. */
export class Transaction {
  readonly sender: string;
  readonly smtputf8: boolean;
  readonly recipients: string[] = [];
  readonly data: DataPhase;
  /** Set once the message cannot be accepted any more; its octets are no longer kept, the rest is read and dropped. */
  refusal: Rejection | undefined;
  readonly #memory: ReceivingMemory;
  #charged = 0;
  #chunks = 0;
  #seen: Set<string> | undefined;

  constructor(mail: MailCommand, memory: ReceivingMemory, bareLineEnding: BareLineEnding) {
    this.sender = mail.sender;
    this.smtputf8 = mail.smtputf8;
    this.#memory = memory;
    this.data = new DataPhase(bareLineEnding);
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

  /** BDAT has begun: no more recipients, and no DATA, until the message is over (RFC 3030 §2). */
  get inChunks(): boolean {
    return this.#chunks > 0;
  }

  /** Another BDAT begins. */
  beginChunk(): void {
    if (this.#chunks++ === 0) this.data.withoutDots();
  }

  /** The last chunk is there. */
  finishChunks(): void {
    this.data.finish();
    this.#check(Number.POSITIVE_INFINITY);
  }

  /** Takes octets of the message and counts them. Returns the index behind the end of the data, -1 = more to come. */
  receive(chunk: Buffer, from: number, maxMessageBytes: number): number {
    const { data } = this;
    const before = data.sizeBytes;
    const end = data.feed(chunk, from);
    if (this.refusal !== undefined) return end;
    this.#charged += this.#memory.charge(data.sizeBytes - before);
    this.#check(maxMessageBytes);
    return end;
  }

  #check(maxMessageBytes: number): void {
    const { data } = this;
    if (this.refusal !== undefined) return;
    if (data.flaw !== undefined) this.refusal = REFUSALS[data.flaw];
    else if (data.sizeBytes > maxMessageBytes) this.refusal = REFUSALS.tooLarge;
    else if (this.#memory.exceeded) this.refusal = REFUSALS.memory;
    else return;
    data.discard();
    this.release();
  }

  /** Gives back all memory that was charged; may be called again. */
  release(): void {
    this.#memory.release(this.#charged);
    this.#charged = 0;
  }
}
