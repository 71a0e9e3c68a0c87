import { type DeliveryStatusRequest, NOTHING_ASKED, type RecipientStatusRequest } from '../spool/mod.ts';
import type { Rejection } from './contract.ts';
import { type BareLineEnding, DataPhase } from './data-phase.ts';
import type { MailCommand, RcptCommand } from './mail-command.ts';
import type { ReceivingMemory } from './receiving-memory.ts';
import { REFUSALS } from './replies.ts';
import { bothNotify } from './status-parameters.ts';

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
  readonly #mail: MailCommand;
  /** By recipient; absent while nothing was asked. */
  #asked: RecipientStatusRequest[] | undefined;

  constructor(mail: MailCommand, memory: ReceivingMemory, bareLineEnding: BareLineEnding) {
    this.#mail = mail;
    this.sender = mail.sender;
    this.smtputf8 = mail.smtputf8;
    this.#memory = memory;
    this.data = new DataPhase(bareLineEnding);
  }

  /** Adds a recipient; one that is there already is taken without being added. `false` = the limit is reached. */
  add({ address, asked }: RcptCommand, maxRecipients: number): boolean {
    const { recipients } = this;
    if (this.#has(address)) {
      if (asked !== NOTHING_ASKED || this.#asked !== undefined) {
        this.#askAlso(recipients.indexOf(address), asked);
      }
      return true;
    }
    if (recipients.length >= maxRecipients) return false;
    if (asked !== NOTHING_ASKED) this.#askedOf()[recipients.length] = asked;
    recipients.push(address);
    this.#seen?.add(address);
    return true;
  }

  /** What the client said about reports, `undefined` when it said nothing. */
  get statusRequest(): DeliveryStatusRequest | undefined {
    const { ret, envelopeId } = this.#mail;
    if (this.#asked === undefined && ret === '' && envelopeId === '') return undefined;
    return {
      ret,
      envelopeId,
      recipients: this.recipients.map((_, index) => this.#asked?.[index] ?? NOTHING_ASKED),
    };
  }

  #askAlso(index: number, asked: RecipientStatusRequest): void {
    const before = this.#asked?.[index] ?? NOTHING_ASKED;
    if (before === asked) return;
    this.#askedOf()[index] = {
      notify: bothNotify(before.notify, asked.notify),
      originalRecipient: before.originalRecipient === '' ? asked.originalRecipient : before.originalRecipient,
    };
  }

  #askedOf(): RecipientStatusRequest[] {
    this.#asked ??= [];
    return this.#asked;
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
