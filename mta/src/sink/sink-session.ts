import type { Socket } from 'node:net';
import type { Behaviour } from './behaviour.ts';
import type { Ledger, SourceRecord } from './ledger.ts';

/** Memory between connections of one sink. */
export interface SinkMemory {
  /** Time of first sight of a greylisting triplet, monotonic ms. */
  readonly greylist: Map<string, number>;
  /** Per source address: start of the current rate period and RCPTs in it. */
  readonly rates: Map<string, { startMs: number; count: number }>;
  messages: number;
  downUntilMs: number;
}

const CRLF = Buffer.from('\r\n');
const END_OF_DATA = Buffer.from('\r\n.\r\n');

/** One SMTP session of a sink: a small state machine over bytes, made to cost little beside the MTA that is measured. */
export class SinkSession {
  readonly #socket: Socket;
  readonly #behaviour: Behaviour;
  readonly #ledger: Ledger;
  readonly #source: SourceRecord;
  readonly #memory: SinkMemory;
  readonly #now: () => number;
  /** Told when the host ends the session. */
  readonly #ended: () => void;
  /** Bytes that are not consumed yet. */
  #pending: Buffer | undefined;
  #mode: 'command' | 'data' | 'bdat' = 'command';
  #bdatLeft = 0;
  #bdatLast = false;
  /** Last bytes of the message so far, for an end of data that two chunks share. */
  #tail = '\r\n';
  #sender: string | undefined;
  #recipients: string[] = [];
  #messages = 0;
  #closed = false;
  /** Replies of one chunk of input leave together. */
  #out = '';
  /** Commands wait while a slow reply is due. */
  #paused = false;

  constructor(
    socket: Socket,
    behaviour: Behaviour,
    ledger: Ledger,
    source: SourceRecord,
    memory: SinkMemory,
    now: () => number,
    ended: () => void,
  ) {
    this.#socket = socket;
    this.#behaviour = behaviour;
    this.#ledger = ledger;
    this.#source = source;
    this.#memory = memory;
    this.#now = now;
    this.#ended = ended;
  }

  greet(): void {
    this.#reply(this.#behaviour.greeting);
    this.#flush();
  }

  input(chunk: Buffer): void {
    this.#pending = this.#pending === undefined ? chunk : Buffer.concat([this.#pending, chunk]);
    if (!this.#paused) this.#consume();
  }

  #consume(): void {
    while (this.#pending !== undefined && !this.#paused && !this.#closed) {
      if (
        this.#mode === 'data'
          ? !this.#consumeData()
          : this.#mode === 'bdat'
            ? !this.#consumeBdat()
            : !this.#consumeLine()
      )
        break;
    }
    this.#flush();
  }

  #consumeLine(): boolean {
    const bytes = this.#pending;
    if (bytes === undefined) return false;
    const end = bytes.indexOf(CRLF);
    if (end < 0) return false;
    const line = bytes.toString('latin1', 0, end);
    this.#keep(bytes, end + 2);
    this.#command(line);
    return true;
  }

  #keep(bytes: Buffer, from: number): void {
    this.#pending = from >= bytes.length ? undefined : bytes.subarray(from);
  }

  #command(line: string): void {
    const verb = line.slice(0, 4).toUpperCase();
    switch (verb) {
      case 'MAIL':
        return this.#mail(line);
      case 'RCPT':
        return this.#rcpt(line);
      case 'DATA':
        if (this.#recipients.length === 0) return this.#answer('554 5.5.1 No valid recipients');
        this.#mode = 'data';
        this.#tail = '\r\n';
        return this.#answer('354 Go ahead');
      case 'BDAT':
        return this.#bdat(line);
      case 'EHLO': {
        const lines = [this.#behaviour.hostname, 'ENHANCEDSTATUSCODES', ...this.#behaviour.extensions];
        return this.#answer(
          lines.map((each, index) => `250${index === lines.length - 1 ? ' ' : '-'}${each}`).join('\r\n'),
        );
      }
      case 'HELO':
        return this.#answer(`250 ${this.#behaviour.hostname}`);
      case 'RSET':
        this.#reset();
        return this.#answer('250 2.0.0 OK');
      case 'NOOP':
        return this.#answer('250 2.0.0 OK');
      case 'QUIT':
        this.#reply('221 2.0.0 Bye');
        return this.#close();
      default:
        return this.#answer('502 5.5.2 Command not recognized');
    }
  }

  #mail(line: string): void {
    const { messagesPerConnection, recipientRate } = this.#behaviour;
    if (messagesPerConnection !== undefined && this.#messages >= messagesPerConnection.atMost) {
      if (messagesPerConnection.reply !== '') this.#reply(messagesPerConnection.reply);
      return this.#close();
    }
    if (recipientRate !== undefined && this.#rate() >= recipientRate.count)
      return this.#refuse(recipientRate.reply);
    this.#reset();
    this.#sender = pathOf(line);
    this.#answer('250 2.1.0 OK');
  }

  #rcpt(line: string): void {
    this.#ledger.offered(this.#source);
    if (this.#behaviour.recipientRate !== undefined) this.#countRate();
    if (this.#sender === undefined) return this.#answer('503 5.5.1 MAIL first');
    const recipient = pathOf(line);
    const refusal = this.#refusal(recipient);
    if (refusal !== undefined) {
      if (refusal.startsWith('5')) this.#ledger.refused(recipient);
      return this.#answer(refusal);
    }
    this.#recipients.push(recipient);
    this.#answer('250 2.1.5 OK');
  }

  #refusal(recipient: string): string | undefined {
    const { domains, unknownUsers, greylistMs } = this.#behaviour;
    if (
      domains !== undefined &&
      !domains.accepts(recipient.slice(recipient.lastIndexOf('@') + 1).toLowerCase())
    )
      return domains.reply;
    if (unknownUsers !== undefined && hash(recipient) % 1000 < unknownUsers.perMille)
      return unknownUsers.reply;
    if (greylistMs !== undefined) {
      const triplet = `${this.#source.address} ${this.#sender} ${recipient}`;
      const first = this.#memory.greylist.get(triplet);
      if (first === undefined) this.#memory.greylist.set(triplet, this.#now());
      if (first === undefined || this.#now() - first < greylistMs.delayMs) return greylistMs.reply;
    }
    return undefined;
  }

  #bdat(line: string): void {
    const [, size, last] = line.split(' ');
    this.#bdatLeft = Number(size);
    this.#bdatLast = last?.toUpperCase() === 'LAST';
    this.#mode = 'bdat';
    if (this.#bdatLeft === 0) this.#bdatDone();
  }

  #consumeBdat(): boolean {
    const bytes = this.#pending;
    if (bytes === undefined) return false;
    const taken = Math.min(bytes.length, this.#bdatLeft);
    this.#keep(bytes, taken);
    this.#bdatLeft -= taken;
    if (this.#bdatLeft > 0) return false;
    this.#bdatDone();
    return true;
  }

  #bdatDone(): void {
    this.#mode = 'command';
    if (this.#recipients.length === 0) return this.#answer('554 5.5.1 No valid recipients');
    if (!this.#bdatLast) return this.#answer('250 2.0.0 OK');
    this.#messageTaken();
  }

  #consumeData(): boolean {
    const bytes = this.#pending;
    if (bytes === undefined) return false;
    const head = this.#tail + bytes.toString('latin1', 0, 5);
    const early = head.indexOf('\r\n.\r\n');
    if (early >= 0) return this.#dataDone(bytes, early + 5 - this.#tail.length);
    const at = bytes.indexOf(END_OF_DATA);
    if (at >= 0) return this.#dataDone(bytes, at + 5);
    this.#tail = (this.#tail + bytes.toString('latin1', Math.max(0, bytes.length - 4))).slice(-4);
    this.#pending = undefined;
    return false;
  }

  #dataDone(bytes: Buffer, end: number): boolean {
    this.#keep(bytes, end);
    this.#mode = 'command';
    this.#messageTaken();
    return true;
  }

  #messageTaken(): void {
    const { dying, finalDotMs } = this.#behaviour;
    this.#memory.messages++;
    if (dying !== undefined && this.#memory.messages % dying.afterMessages === 0) {
      this.#memory.downUntilMs = this.#now() + dying.downMs;
      this.#socket.destroy();
      this.#closed = true;
      return;
    }
    const taken = (): void => {
      this.#messages++;
      this.#source.messages++;
      for (const recipient of this.#recipients) this.#ledger.delivered(recipient, this.#source.address);
      this.#reset();
      this.#reply('250 2.0.0 OK queued');
    };
    if (finalDotMs === undefined) return taken();
    this.#later(finalDotMs, taken);
  }

  /** Answers after the provider's latency; what the client sent meanwhile waits. */
  #answer(line: string): void {
    const { latencyMs } = this.#behaviour;
    if (latencyMs === undefined) this.#reply(line);
    else this.#later(latencyMs, () => this.#reply(line));
  }

  #later(delayMs: number, act: () => void): void {
    this.#flush();
    this.#paused = true;
    // The socket keeps the process alive; an answer that nobody waits for does not.
    setTimeout(() => {
      if (this.#closed || this.#socket.destroyed) return;
      this.#paused = false;
      act();
      this.#consume();
    }, delayMs).unref();
  }

  /** 421 ends the session (RFC 5321 §3.8), other replies do not. */
  #refuse(reply: string): void {
    if (!reply.startsWith('421')) return this.#answer(reply);
    this.#reply(reply);
    this.#close();
  }

  #rate(): number {
    const limit = this.#behaviour.recipientRate;
    const rate = this.#memory.rates.get(this.#source.address);
    return limit === undefined || rate === undefined || this.#now() - rate.startMs >= limit.periodMs
      ? 0
      : rate.count;
  }

  #countRate(): void {
    const limit = this.#behaviour.recipientRate;
    const rate = this.#memory.rates.get(this.#source.address);
    if (limit === undefined) return;
    if (rate === undefined || this.#now() - rate.startMs >= limit.periodMs) {
      this.#memory.rates.set(this.#source.address, { startMs: this.#now(), count: 1 });
    } else rate.count++;
  }

  #reset(): void {
    this.#sender = undefined;
    this.#recipients = [];
  }

  #reply(line: string): void {
    this.#out += `${line}\r\n`;
  }

  #flush(): void {
    if (this.#out === '' || this.#socket.destroyed) return;
    this.#socket.write(this.#out, 'latin1');
    this.#out = '';
  }

  #close(): void {
    this.#flush();
    this.#closed = true;
    this.#ended();
    this.#socket.end();
  }
}

/** The path of MAIL or RCPT without angle brackets. */
function pathOf(line: string): string {
  return line.slice(line.indexOf('<') + 1, line.indexOf('>'));
}

/** FNV-1a: which users exist must not depend on time or order. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
