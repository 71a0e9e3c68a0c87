import { AuthExchange, type AuthStep } from './auth-exchange.ts';
import { checkMessage } from './checked-message.ts';
import { ChunkPhase, parseBdat } from './chunk-phase.ts';
import { ClientIdentity } from './client-identity.ts';
import { CommandReader } from './command-reader.ts';
import type { Rejection } from './contract.ts';
import type { IntakePhase } from './listener-options.ts';
import { parseMail, parseRcpt } from './mail-command.ts';
import { authenticate } from './password-check.ts';
import { type RareReply, rareCommandReply } from './rare-command.ts';
import { REFUSALS, replyLine, successLine } from './replies.ts';
import type { SessionClient, SessionContext, SessionWire, TlsFacts } from './session-context.ts';
import { isHelloName } from './trace-header.ts';
import { Transaction } from './transaction.ts';

// Made once: these are said for every message.
const SENDER_OK = successLine('sender');
const RECIPIENT_OK = successLine('recipient');
const SEND_DATA = successLine('data');
const OK = successLine('ok');
/** Failed AUTH commands after which the session ends. */
const MAX_AUTH_FAILURES = 3;
/** Silence that is borne while the listener closes: a client that is in the middle of sending needs no longer, one that has gone may not hold up a stop. */
const CLOSING_TIMEOUT_MS = 2_000;
/** A session that waits for us has no deadline. */
const NO_DEADLINE = Number.POSITIVE_INFINITY;

/**
 * One SMTP session as the server sees it (RFC 5321 §4): octets in, replies and messages out. It knows no socket; what
 * it wants of one goes through {@link SessionWire}, and time comes from the context.
 *
 * While something is awaited (`accept`, a password) nothing is read: input that came already is kept and run afterwards,
 * so pipelined commands keep their order.
 */
export class SmtpSession {
  /** Monotonic time at which `timeOut` is to be called. */
  deadlineMs: number;
  readonly #context: SessionContext;
  readonly #wire: SessionWire;
  readonly #reader: CommandReader;
  readonly #identity: ClientIdentity;
  #auth: AuthExchange | undefined;
  #transaction: Transaction | undefined;
  #inData = false;
  #chunk: ChunkPhase | undefined;
  #dataEndsByMs = 0;
  /** Id of the message that `accept` decides on, `''` = none. */
  #offeredId = '';
  #replies = '';
  #busy = false;
  #ended = false;
  #inputEnded = false;
  #waiting: Buffer[] = [];
  #messages = 0;
  #errors = 0;
  #authFailures = 0;

  constructor(context: SessionContext, client: SessionClient, wire: SessionWire) {
    this.#context = context;
    this.#wire = wire;
    this.#reader = new CommandReader(context.options.bareLineEnding ?? 'Reject');
    this.#identity = new ClientIdentity(context, client);
    this.deadlineMs = context.nowMs() + context.limits.idleTimeoutMs;
  }

  /** No transaction is open and nothing is awaited: the session may be ended without loss. */
  get idle(): boolean {
    return this.#transaction === undefined && !this.#busy;
  }

  /** Says the greeting; under implicit TLS after the handshake. */
  greet(tls: TlsFacts | undefined): void {
    this.#identity.tls = tls;
    this.#wire.write(successLine('greeting', this.#context.options.hostname));
  }

  /** The handshake after STARTTLS is done: everything learned before is forgotten (RFC 3207 §4.2). */
  tlsStarted(tls: TlsFacts): void {
    this.#identity.tlsStarted(tls);
    this.#busy = false;
    this.#forgetTransaction();
    this.deadlineMs = this.#context.nowMs() + this.#context.limits.idleTimeoutMs;
  }

  /** Octets from the client. The chunk belongs to the session from now on. */
  receive(chunk: Buffer): void {
    if (this.#ended) return;
    if (this.#busy) {
      this.#waiting.push(chunk);
      this.#wire.pause();
      return;
    }
    this.#run(chunk);
    this.#settle();
  }

  /** The client sends nothing more; what it sent is still answered. */
  inputEnd(): void {
    this.#inputEnded = true;
    if (!this.#busy) this.#end('');
  }

  /** The connection is gone: whatever was not accepted is dropped. */
  closed(): void {
    this.#ended = true;
    this.#waiting = [];
    // A message that waits for `accept` keeps its charge until that is answered.
    if (this.#offeredId === '') this.#forgetTransaction();
  }

  /** `deadlineMs` has passed. */
  timeOut(): void {
    if (this.#ended) return;
    const timeout =
      this.#inData || this.#chunk !== undefined ? REFUSALS.dataTimeout : REFUSALS.commandTimeout;
    this.#sendAway(this.#context.closing ? REFUSALS.shuttingDown : timeout, 'Idle');
  }

  /** The listener closes. An idle session ends at once, another after its message, or when its client is silent. */
  shutDown(): void {
    if (this.#ended) return;
    if (this.idle) this.#sendAway(REFUSALS.shuttingDown, 'Idle');
    else if (!this.#busy)
      this.deadlineMs = Math.min(this.deadlineMs, this.#context.nowMs() + CLOSING_TIMEOUT_MS);
  }

  #run(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length && !this.#ended) {
      if (this.#busy) {
        this.#waiting.unshift(chunk.subarray(position));
        return;
      }
      if (this.#inData) {
        position = this.#receiveData(chunk, position);
        continue;
      }
      if (this.#chunk !== undefined) {
        position = this.#receiveChunk(this.#chunk, chunk, position);
        continue;
      }
      const line = this.#reader.read(chunk, position);
      position = this.#reader.next;
      if (line === undefined) return;
      if (typeof line !== 'string') {
        // A refused response ends its exchange (RFC 4954 §4): the client's next line is a command.
        this.#auth = undefined;
        this.#error(REFUSALS[line.flaw], 'Idle');
      } else if (this.#auth !== undefined) this.#takeAuthStep(this.#auth.respond(line));
      else this.#command(line, position === chunk.length);
    }
  }

  /** Sends the replies that have come together and sets the deadline for what the client owes now. */
  #settle(): void {
    if (this.#ended) return;
    if (this.#context.closing && this.idle) return this.shutDown();
    if (this.#replies !== '') {
      this.#wire.write(this.#replies);
      this.#replies = '';
    }
    const { limits } = this.#context;
    const now = this.#context.nowMs();
    if (this.#busy) this.deadlineMs = NO_DEADLINE;
    else if (this.#inData || this.#chunk !== undefined)
      this.deadlineMs = Math.min(now + limits.commandTimeoutMs, this.#dataEndsByMs);
    else if (!this.#reader.inside) this.deadlineMs = now + limits.idleTimeoutMs;
    // Begun but not finished: octets that trickle in do not prolong it.
    else this.deadlineMs = Math.min(this.deadlineMs, now + limits.commandTimeoutMs);
    if (this.#transaction?.inChunks && !this.#busy)
      this.deadlineMs = Math.min(this.deadlineMs, this.#dataEndsByMs);
    if (this.#context.closing && !this.#busy)
      this.deadlineMs = Math.min(this.deadlineMs, now + CLOSING_TIMEOUT_MS);
  }

  /** What was awaited is there: the input that came meanwhile is run. */
  #continue(): void {
    this.#busy = false;
    while (!this.#busy && !this.#ended) {
      const chunk = this.#waiting.shift();
      if (chunk === undefined) break;
      this.#run(chunk);
    }
    this.#settle();
    if (this.#busy || this.#ended) return;
    if (this.#inputEnded) this.#end('');
    else this.#wire.resume();
  }

  #command(line: string, isLast: boolean): void {
    const blank = line.indexOf(' ');
    const verb = (blank === -1 ? line : line.slice(0, blank)).toUpperCase();
    const argument = blank === -1 ? '' : line.slice(blank + 1).trim();
    switch (verb) {
      case 'MAIL':
        return this.#mail(argument);
      case 'RCPT':
        return this.#rcpt(argument);
      case 'DATA':
        return this.#startData(argument);
      case 'BDAT':
        return this.#startChunk(argument);
      case 'EHLO':
      case 'HELO':
        return this.#sayHello(argument, verb === 'EHLO');
      case 'RSET':
        if (argument !== '') return this.#error(REFUSALS.noParameters, 'Idle');
        this.#forgetTransaction();
        this.#replies += OK;
        return;
      case 'QUIT':
        if (argument !== '') return this.#error(REFUSALS.noParameters, 'Idle');
        return this.#end(this.#replies + successLine('bye'));
      case 'AUTH':
        return this.#startAuth(argument);
      case 'STARTTLS':
        return this.#startTls(argument, isLast);
      default:
        return this.#takeRareReply(rareCommandReply(verb, line));
    }
  }

  #takeRareReply(reply: RareReply): void {
    if (typeof reply === 'string') this.#replies += reply;
    else if (reply.code === 421) this.#sendAway(reply, 'Idle');
    else this.#error(reply, 'Idle');
  }

  #sayHello(name: string, extended: boolean): void {
    if (!isHelloName(name)) return this.#error(REFUSALS.badHello, 'Ehlo');
    this.#forgetTransaction();
    this.#replies += this.#identity.saidHello(name, extended);
  }

  #mail(argument: string): void {
    if (this.#identity.hello === '') return this.#error(REFUSALS.sayHello, 'Mail');
    if (this.#transaction !== undefined) return this.#error(REFUSALS.nestedMail, 'Mail');
    const { limits, memory, options, closing } = this.#context;
    if (closing || this.#messages >= limits.maxMessagesPerConnection) {
      return this.#sendAway(closing ? REFUSALS.shuttingDown : REFUSALS.tooManyMessages, 'Mail');
    }
    const mail = parseMail(argument, this.#identity.offered);
    if ('refusal' in mail) return this.#error(mail.refusal, 'Mail');
    if (!memory.hasRoomFor(mail.declaredBytes)) return this.#refuse(REFUSALS.memory, 'Mail', mail.sender);
    const pressure = options.pressure?.();
    if (pressure !== undefined) return this.#refuse(pressure, 'Mail', mail.sender);
    this.#transaction = new Transaction(mail, memory, options.bareLineEnding ?? 'Reject');
    this.#replies += SENDER_OK;
  }

  #rcpt(argument: string): void {
    const transaction = this.#transaction;
    // Commands that were sent in one group with a MAIL that is refused are no mistakes of their own.
    if (transaction === undefined) return this.#refuse(REFUSALS.needMail, 'Rcpt');
    if (transaction.inChunks) return this.#error(REFUSALS.insideChunks, 'Rcpt');
    const recipient = parseRcpt(argument, transaction.smtputf8, this.#identity.offered.dsn);
    if (!this.#identity.mayRelay) {
      const bad = 'refusal' in recipient;
      const reply = bad ? recipient.refusal : REFUSALS.relayDenied;
      return this.#error(reply, 'Rcpt', transaction.sender, bad ? [] : [recipient.address]);
    }
    // Bad addresses in a long list are common for clients that we serve, and no reason to send them away.
    if ('refusal' in recipient) return this.#refuse(recipient.refusal, 'Rcpt', transaction.sender);
    if (!transaction.add(recipient, this.#context.limits.maxRecipients)) {
      return this.#refuse(REFUSALS.tooManyRecipients, 'Rcpt', transaction.sender, [recipient.address]);
    }
    this.#replies += RECIPIENT_OK;
  }

  #startData(argument: string): void {
    if (argument !== '') return this.#error(REFUSALS.noParameters, 'Data');
    const transaction = this.#transaction;
    if (transaction?.inChunks) return this.#error(REFUSALS.insideChunks, 'Data');
    const refusal = this.#lacksForData();
    if (refusal !== undefined) return this.#refuse(refusal, 'Data', transaction?.sender);
    this.#inData = true;
    this.#dataEndsByMs = this.#context.nowMs() + this.#context.limits.dataTotalTimeoutMs;
    this.#replies += SEND_DATA;
  }

  #receiveData(chunk: Buffer, from: number): number {
    const transaction = this.#transaction;
    if (transaction === undefined) throw new Error('data without a transaction');
    const end = transaction.receive(chunk, from, this.#context.limits.maxMessageBytes);
    if (end === -1) return chunk.length;
    this.#inData = false;
    this.#messages++;
    this.#offerMessage(transaction);
    return end;
  }

  #lacksForData(): Rejection | undefined {
    if (this.#transaction === undefined) return REFUSALS.needMail;
    return this.#transaction.recipients.length === 0 ? REFUSALS.needRcpt : undefined;
  }

  #startChunk(argument: string): void {
    const command = parseBdat(argument);
    if (command === undefined) return this.#sendAway(REFUSALS.badBdat, 'Data');
    const refusal = this.#identity.offered.extensions ? this.#lacksForData() : REFUSALS.sayHello;
    if (!this.#transaction?.inChunks)
      this.#dataEndsByMs = this.#context.nowMs() + this.#context.limits.dataTotalTimeoutMs;
    if (refusal === undefined) this.#transaction?.beginChunk();
    this.#chunk = new ChunkPhase(command, refusal);
    if (this.#chunk.complete) this.#endChunk(this.#chunk);
  }

  #receiveChunk(chunk: ChunkPhase, received: Buffer, from: number): number {
    const end = chunk.take(received, from, this.#transaction, this.#context.limits.maxMessageBytes);
    if (chunk.complete) this.#endChunk(chunk);
    return end;
  }

  /** All octets of a BDAT are there. A chunk that is refused ends its transaction, so those behind it are refused too. */
  #endChunk(chunk: ChunkPhase): void {
    this.#chunk = undefined;
    const transaction = this.#transaction;
    if (chunk.refusal !== undefined) return this.#refuse(chunk.refusal, 'Data', transaction?.sender);
    if (transaction === undefined) throw new Error('a chunk without a transaction');
    if (chunk.last) transaction.finishChunks();
    else if (transaction.refusal === undefined) {
      this.#replies += successLine('chunk', String(chunk.octets));
      return;
    }
    this.#messages++;
    this.#offerMessage(transaction);
  }

  #offerMessage(transaction: Transaction): void {
    const message = checkMessage(this.#context, this.#identity, transaction);
    if ('code' in message) return this.#refuseMessage(message, '');
    this.#offeredId = message.envelope.id;
    this.#busy = true;
    // A synchronous throw of `accept` is treated as its rejection.
    try {
      this.#context.accept(message.envelope, message.body).then(this.#accepted, this.#acceptFailed);
    } catch (error) {
      queueMicrotask(() => this.#acceptFailed(error));
    }
  }

  // Bound once for the session.
  readonly #accepted = (rejection: Rejection | undefined): void => {
    const id = this.#offeredId;
    if (rejection === undefined) {
      this.#replies += successLine('queued', id);
      this.#errors = 0;
      this.#forgetTransaction();
    } else this.#refuseMessage(rejection, id);
    this.#continue();
  };

  readonly #acceptFailed = (error: unknown): void => {
    this.#context.hooks.failed?.(error);
    this.#accepted(REFUSALS.internalError);
  };

  #refuseMessage(reply: Rejection, id: string): void {
    this.#refuse(reply, 'FinalDot', this.#transaction?.sender, this.#transaction?.recipients, id);
    this.#forgetTransaction();
    if (reply.code === 421) this.#end(this.#replies);
  }

  #startTls(argument: string, isLast: boolean): void {
    const { tls } = this.#context.options;
    if (argument !== '') return this.#error(REFUSALS.noParameters, 'Idle');
    if (tls?.mode !== 'StartTls' || this.#identity.tls !== undefined)
      return this.#error(REFUSALS.tlsUnavailable, 'Idle');
    if (this.#transaction !== undefined) return this.#error(REFUSALS.nestedMail, 'Idle');
    if (!isLast || this.#waiting.length > 0) return this.#sendAway(REFUSALS.pipelinedStartTls, 'Idle');
    const replies = this.#replies + successLine('startTls');
    this.#replies = '';
    this.#busy = true;
    this.#wire.startTls(replies);
  }

  #startAuth(argument: string): void {
    const nested = this.#transaction === undefined ? undefined : REFUSALS.nestedMail;
    const refusal = this.#identity.refusesAuth() ?? nested;
    if (refusal !== undefined) return this.#error(refusal, 'Auth');
    this.#auth = new AuthExchange();
    this.#takeAuthStep(this.#auth.begin(argument));
  }

  #takeAuthStep(step: AuthStep): void {
    if (step.kind === 'challenge') {
      this.#replies += successLine('challenge', step.text);
      return;
    }
    this.#auth = undefined;
    if (step.kind === 'refused') return this.#error(step.refusal, 'Auth');
    this.#busy = true;
    void this.#checkPassword(step.username, step.password);
  }

  async #checkPassword(username: string, password: string): Promise<void> {
    const { options, checkNobody, hooks } = this.#context;
    try {
      const findUser = options.auth?.findUser ?? (() => undefined);
      const user = await authenticate(findUser, checkNobody, username, password);
      if (user === undefined) this.#authFailed();
      else {
        this.#identity.authenticated(user);
        this.#replies += successLine('authenticated');
      }
    } catch (error) {
      hooks.failed?.(error);
      this.#refuse(REFUSALS.authUndecided, 'Auth');
    }
    this.#continue();
  }

  #authFailed(): void {
    this.#error(REFUSALS.authFailed, 'Auth');
    if (++this.#authFailures < MAX_AUTH_FAILURES || this.#ended) return;
    this.#sendAway(REFUSALS.tooManyErrors, 'Auth');
  }

  /** A refusal that counts as the client's mistake; too many end the session. */
  #error(reply: Rejection, phase: IntakePhase, sender?: string, recipients?: readonly string[]): void {
    this.#refuse(reply, phase, sender, recipients);
    if (++this.#errors <= this.#context.limits.maxErrors) return;
    this.#sendAway(REFUSALS.tooManyErrors, phase);
  }

  #refuse(
    reply: Rejection,
    phase: IntakePhase,
    sender = '',
    recipients: readonly string[] = [],
    id = '',
  ): void {
    this.#replies += replyLine(reply);
    this.#context.hooks.refused?.(reply, { phase, origin: this.#identity.origin, id, sender, recipients });
  }

  /** A refusal that ends the session. */
  #sendAway(reply: Rejection, phase: IntakePhase): void {
    this.#refuse(reply, phase);
    this.#end(this.#replies);
  }

  #forgetTransaction(): void {
    this.#transaction?.release();
    this.#transaction = undefined;
    this.#inData = false;
    this.#offeredId = '';
  }

  #end(replies: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#replies = '';
    this.#waiting = [];
    this.#forgetTransaction();
    this.#wire.end(replies);
  }
}
