import type { SessionTimeouts } from '@sluice/crds';
import type { Reply } from '../spool/mod.ts';
import { BodyWriter, finalDot, packMessage } from './body-writer.ts';
import type { Capabilities } from './capabilities.ts';
import type { Connection, ConnectionUser } from './connection.ts';
import { type ConnectionEnd, unexpected } from './connection-end.ts';
import { refusalOfMessage, refusalOfRecipient } from './envelope-check.ts';
import type { Flaw } from './host-memory.ts';
import { mailCommand, rcptCommand } from './mail-command.ts';
import type { Phase } from './phase.ts';
import type { WireReply } from './reply-parser.ts';
import { replyOf } from './reply-text.ts';
import { failureOf, replyOfEnd } from './session-failure.ts';
import type { RecipientResult, Transaction, TransactionResult } from './transaction.ts';

/**
 * A body up to this size follows its BDAT before the replies to MAIL and RCPT are there, octets. What a refused recipient costs is then at
 * most this; a larger body waits one round trip, which is little beside the time it takes itself.
 */
export const EAGER_BODY_BYTES = 256 * 1024;

/** What the transactions of one session share. */
export interface TransactionSetting {
  readonly connection: Connection;
  readonly capabilities: Capabilities;
  readonly hostName: string;
  readonly timeouts: SessionTimeouts;
  /** A buffer whose former content has left. */
  scratch(): Buffer;
  /** The session carried a message before: its peer may be just closing it for idleness. */
  readonly reused: boolean;
  /** Every command of a pipelined group was answered once. */
  pipeliningWorks: boolean;
  /** The peer has understood a BDAT. */
  chunkingWorks: boolean;
  /** The host cannot do what it announces. */
  remember(flaw: Flaw): void;
  transactionBegins(): void;
  /** The run has the connection no longer. `clean` = the peer's state is that of a fresh session. */
  transactionOver(clean: boolean): void;
}

/**
 * One transaction: a state machine that replies drive. Commands go out in as few writes as the peer's extensions allow
 * (RFC 2920, RFC 3030), replies are matched to them by their order: MAIL, each RCPT, DATA, the end of the body.
 */
export class TransactionRun implements ConnectionUser {
  readonly result: Promise<TransactionResult>;
  readonly #setting: TransactionSetting;
  readonly #transaction: Transaction;
  readonly #results: (RecipientResult | undefined)[];
  readonly #sizeBytes: number;
  /** BDAT and body follow the RCPTs in the same write. */
  readonly #eager: boolean;
  #resolve!: (result: TransactionResult) => void;
  /** What the next reply answers. */
  #expect: 'Mail' | 'Rcpt' | 'Data' | 'FinalDot' = 'Mail';
  /** Recipient whose reply is next. */
  #rcpt = 0;
  #accepted = 0;
  #mailRefusal: RecipientResult | undefined;
  #writer: BodyWriter | undefined;
  #bodySent = false;
  /** Found in this transaction: it is given back, to be sent without. */
  #flaw: Flaw | undefined;
  #startedAtMs = 0;

  constructor(setting: TransactionSetting, transaction: Transaction) {
    this.#setting = setting;
    this.#transaction = transaction;
    this.#results = transaction.recipients.map(checked);
    this.#sizeBytes = sizeOf(transaction);
    const { pipelining, chunking } = setting.capabilities;
    this.#eager = pipelining && chunking && this.#sizeBytes <= EAGER_BODY_BYTES;
    this.result = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** Takes the connection and sends, or settles at once what this peer cannot be given. */
  start(): void {
    const { connection, capabilities } = this.#setting;
    this.#startedAtMs = performance.now();
    const refusal = refusalOfMessage(this.#transaction, this.#sizeBytes, capabilities);
    if (refusal !== undefined) this.#fill('permanent', 'Mail', refusal);
    this.#rcpt = this.#nextRecipient(0);
    if (this.#rcpt === this.#results.length) {
      this.#finish(true);
      return;
    }
    this.#setting.transactionBegins();
    connection.user = this;
    const mail = mailCommand(this.#transaction, this.#sizeBytes, capabilities);
    if (!capabilities.pipelining) {
      connection.socket.write(mail);
    } else {
      let commands = mail;
      for (let index = this.#rcpt; index < this.#results.length; index = this.#nextRecipient(index + 1)) {
        commands += rcptCommand(this.#transaction, index, capabilities);
      }
      if (this.#eager) this.#sendBody(commands);
      else connection.socket.write(capabilities.chunking ? commands : `${commands}DATA\r\n`);
    }
    this.#arm();
  }

  /** The connection ended before {@link start}. */
  abandon(end: ConnectionEnd): void {
    this.#fill('transient', 'Mail', replyOfEnd(end, 'Mail', this.#setting.hostName));
    this.#resolve({ recipients: this.#settled(), begun: false, ended: 'peer-closed', durationMs: 0 });
  }

  onReply(wire: WireReply): void {
    const { connection } = this.#setting;
    if (wire.code >= 400 && this.#speaksOfPipelining(wire)) {
      this.#giveBackWithout('Pipelining');
      return;
    }
    if (wire.code === 421) {
      connection.peerCloses(wire);
      return;
    }
    const isGo = wire.code >= 300 && wire.code < 400;
    if (isGo !== (this.#expect === 'Data' && wire.code < 400)) {
      connection.reset(unexpected(wire));
      return;
    }
    switch (this.#expect) {
      case 'Mail':
        this.#onMail(wire);
        break;
      case 'Rcpt':
        this.#onRcpt(wire);
        break;
      case 'Data':
        this.#onData(wire);
        break;
      case 'FinalDot':
        this.#onFinalDot(wire);
    }
  }

  onConnectionEnd(end: ConnectionEnd): void {
    const { hostName, reused } = this.#setting;
    const phase = this.#phase();
    if (this.#flaw !== undefined) {
      this.#setting.transactionOver(false);
      this.#fill('transient', phase, replyOfEnd(end, phase, hostName));
      this.#resolve({ recipients: this.#settled(), begun: false, ended: 'extension-broken', durationMs: 0 });
      return;
    }
    if (end.cause === 'timeout' && this.#lostCommands()) this.#setting.remember('Pipelining');
    if (reused && phase === 'Mail' && end.cause === 'closed') {
      // It closed for idleness while we wrote. A host that does this to a fresh session is charged with the attempt.
      this.#setting.transactionOver(false);
      this.abandon(end);
      return;
    }
    let reply = replyOfEnd(end, phase, hostName);
    if (this.#bodySent && end.reply === undefined && !this.#hopeless()) {
      reply = { ...reply, text: `${reply.text}; the peer may have taken the message` };
    }
    if (this.#mailRefusal === undefined) this.#fill('transient', phase, reply);
    this.#finish(false);
  }

  onDrain(): void {
    const writer = this.#writer;
    if (writer === undefined || this.#bodySent) return;
    writer.pump();
    this.#bodySent = writer.done;
    this.#arm();
  }

  /** A server that announces PIPELINING (RFC 2920) and takes it for an attack says so in the first group that it gets. */
  #speaksOfPipelining(wire: WireReply): boolean {
    const { capabilities, pipeliningWorks } = this.#setting;
    if (!capabilities.pipelining || pipeliningWorks) return false;
    return wire.lines.some((line) => PIPELINING_REFUSED.test(line));
  }

  /** MAIL was answered and what came with it never was: that is how servers fail that forget what they have read behind a command. */
  #lostCommands(): boolean {
    const { capabilities, pipeliningWorks } = this.#setting;
    return capabilities.pipelining && !pipeliningWorks && this.#expect !== 'Mail';
  }

  /**
   * The peer has refused in so many words, so the message is not with it; but what it takes the octets for that follow is anybody's guess.
   * The session ends, and the message is offered anew.
   */
  #giveBackWithout(flaw: Flaw): void {
    this.#flaw = flaw;
    this.#setting.remember(flaw);
    this.#setting.connection.reset({
      cause: 'protocol',
      detail: `the peer announces ${flaw} and cannot do it`,
    });
  }

  #onMail(wire: WireReply): void {
    if (wire.code >= 400) this.#mailRefusal = refused(wire, 'Mail', this.#setting.hostName);
    this.#expect = 'Rcpt';
    if (!this.#setting.capabilities.pipelining) {
      if (this.#mailRefusal !== undefined) {
        this.#finish(false);
        return;
      }
      if (!this.#writeRcpt()) return;
    }
    this.#arm();
  }

  #onRcpt(wire: WireReply): void {
    // After a refused MAIL the peer refuses every RCPT too; only MAIL's reply says why.
    if (wire.code < 400) this.#accepted++;
    else if (this.#mailRefusal === undefined) {
      this.#results[this.#rcpt] = refused(wire, 'Rcpt', this.#setting.hostName);
    }
    this.#rcpt = this.#nextRecipient(this.#rcpt + 1);
    if (this.#rcpt < this.#results.length) {
      if (!this.#setting.capabilities.pipelining && !this.#writeRcpt()) return;
    } else if (this.#eager) {
      this.#expect = 'FinalDot';
    } else if (this.#hopeless() && !this.#dataIsUnderWay()) {
      this.#finish(false);
      return;
    } else if (!this.#dataIsUnderWay() && !this.#setting.connection.mayGoOn()) {
      return;
    } else if (this.#setting.capabilities.chunking) {
      this.#setting.pipeliningWorks = true;
      this.#expect = 'FinalDot';
      this.#sendBody('');
    } else {
      this.#expect = 'Data';
      if (!this.#dataIsUnderWay()) this.#setting.connection.socket.write('DATA\r\n');
    }
    this.#arm();
  }

  #onData(wire: WireReply): void {
    this.#setting.pipeliningWorks = true;
    if (wire.code >= 400) {
      this.#refuseAccepted(wire, 'Data');
      this.#finish(false);
      return;
    }
    if (!this.#setting.connection.mayGoOn()) return;
    this.#expect = 'FinalDot';
    if (this.#hopeless()) {
      // RFC 2920 §3.1: DATA was sent ahead and the peer took it although no recipient is left: end it with nothing in it.
      this.#setting.connection.socket.write(finalDot(true));
      this.#bodySent = true;
    } else {
      this.#sendBody('');
    }
    this.#arm();
  }

  #onFinalDot(wire: WireReply): void {
    const setting = this.#setting;
    // RFC 5321 §4.2.1: the second digit 0 speaks of the syntax. The recipients were taken, so it is BDAT that is not understood (RFC 3030).
    if (setting.capabilities.chunking && !setting.chunkingWorks && isSyntaxError(wire) && !this.#hopeless()) {
      this.#giveBackWithout('Chunking');
      return;
    }
    setting.chunkingWorks = true;
    setting.pipeliningWorks = true;
    if (!this.#bodySent) {
      // It has heard enough. Without the rest of the body no other command can follow.
      const { connection } = this.#setting;
      if (wire.code < 400) {
        connection.reset(unexpected(wire));
        return;
      }
      this.#refuseAccepted(wire, 'Data');
      connection.reset({ cause: 'reply', detail: 'the peer refused the body', reply: wire });
      return;
    }
    if (wire.code >= 400) {
      this.#refuseAccepted(wire, 'FinalDot');
      this.#finish(false);
      return;
    }
    const hopeless = this.#hopeless();
    if (!hopeless) this.#fill('delivered', 'FinalDot', replyOf(wire, this.#setting.hostName));
    this.#finish(!hopeless);
  }

  /** Commands, the peer's `BDAT` or 354 being settled, and as much of the body as the socket takes. */
  #sendBody(commands: string): void {
    const { connection, capabilities } = this.#setting;
    const { socket } = connection;
    const { body } = this.#transaction;
    const before = capabilities.chunking ? `${commands}BDAT ${this.#sizeBytes} LAST\r\n` : commands;
    const scratch = this.#setting.scratch();
    const used =
      this.#sizeBytes < scratch.length ? packMessage(scratch, before, body, !capabilities.chunking) : -1;
    if (used !== -1) {
      this.#bodySent = true;
      socket.write(scratch.subarray(0, used));
      return;
    }
    const writer = new BodyWriter(socket, body, !capabilities.chunking);
    this.#writer = writer;
    socket.cork();
    if (before !== '') socket.write(before);
    writer.pump();
    socket.uncork();
    this.#bodySent = writer.done;
  }

  /** `false` = the peer had answered already, whatever that was an answer to: the session is over. */
  #writeRcpt(): boolean {
    const { connection, capabilities } = this.#setting;
    if (!connection.mayGoOn()) return false;
    connection.socket.write(rcptCommand(this.#transaction, this.#rcpt, capabilities));
    return true;
  }

  #nextRecipient(from: number): number {
    let index = from;
    while (index < this.#results.length && this.#results[index] !== undefined) index++;
    return index;
  }

  /** DATA was sent together with MAIL and RCPT. */
  #dataIsUnderWay(): boolean {
    const { pipelining, chunking } = this.#setting.capabilities;
    return pipelining && !chunking;
  }

  /** Nobody is left to whom the body could go. */
  #hopeless(): boolean {
    return (
      this.#mailRefusal !== undefined ||
      (this.#accepted === 0 && this.#expect !== 'Mail' && this.#rcpt === this.#results.length)
    );
  }

  #phase(): Phase {
    return this.#expect === 'FinalDot' && !this.#bodySent ? 'Data' : this.#expect;
  }

  #arm(): void {
    const { connection, timeouts } = this.#setting;
    if (this.#writer !== undefined && !this.#bodySent) connection.arm(timeouts.dataBlockMs);
    else if (this.#expect === 'FinalDot') connection.arm(timeouts.finalDotMs);
    else if (this.#expect === 'Rcpt') connection.arm(timeouts.rcptMs);
    else if (this.#expect === 'Mail') connection.arm(timeouts.mailMs);
    else connection.arm(timeouts.dataMs);
  }

  #refuseAccepted(wire: WireReply, phase: Phase): void {
    if (this.#hopeless()) return;
    const { status, reply } = refused(wire, phase, this.#setting.hostName);
    this.#fill(status, phase, reply);
  }

  /** The word for every recipient that has none yet. */
  #fill(status: RecipientResult['status'], phase: Phase, reply: Reply): void {
    const result: RecipientResult = { status, phase, reply };
    for (let index = 0; index < this.#results.length; index++) this.#results[index] ??= result;
  }

  #settled(): readonly RecipientResult[] {
    return this.#results.filter((result) => result !== undefined);
  }

  #finish(clean: boolean): void {
    const { connection, hostName } = this.#setting;
    if (this.#mailRefusal !== undefined) {
      const { status, phase, reply } = this.#mailRefusal;
      this.#fill(status, phase, reply);
    }
    const { end } = connection;
    this.#setting.transactionOver(clean);
    this.#resolve({
      recipients: this.#settled(),
      begun: true,
      ...(end === undefined ? undefined : { ended: failureOf(end, this.#phase(), hostName, false) }),
      durationMs: performance.now() - this.#startedAtMs,
    });
  }
}

const PIPELINING_REFUSED = /pipelin|synchroni[sz]ation/i;

function isSyntaxError({ code }: WireReply): boolean {
  return code >= 500 && code < 510;
}

function checked(recipient: string): RecipientResult | undefined {
  const reply = refusalOfRecipient(recipient);
  return reply === undefined ? undefined : { status: 'permanent', phase: 'Rcpt', reply };
}

/** RFC 5321 §4.2.1: the first digit decides, whatever the text says. */
function refused(wire: WireReply, phase: Phase, hostName: string): RecipientResult {
  return { status: wire.code >= 500 ? 'permanent' : 'transient', phase, reply: replyOf(wire, hostName) };
}

function sizeOf(transaction: Transaction): number {
  let bytes = 0;
  for (const chunk of transaction.body) bytes += chunk.length;
  return bytes;
}
