import { AuthExchange, type AuthStep } from './auth-exchange.ts';
import { CommandReader } from './command-reader.ts';
import type { Rejection } from './contract.ts';
import { DataPhase } from './data-phase.ts';
import type { AuthUser, IntakePhase } from './listener-options.ts';
import { type Offered, parseMail, parseRcpt } from './mail-command.ts';
import { buildMessage, type ReceivedMessage } from './received-message.ts';
import { REFUSALS, replyLine } from './replies.ts';
import type { SessionClient, SessionContext, SessionWire, TlsFacts } from './session-context.ts';
import { isHelloName, receivedHead } from './trace-header.ts';
import { Transaction } from './transaction.ts';

const SENDER_OK = '250 2.1.0 Sender OK\r\n';
const RECIPIENT_OK = '250 2.1.5 Recipient OK\r\n';
const SEND_DATA = '354 End data with <CR><LF>.<CR><LF>\r\n';
const OK = '250 2.0.0 OK\r\n';
/** Failed AUTH commands after which the session ends. */
const MAX_AUTH_FAILURES = 3;
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
  readonly #client: SessionClient;
  readonly #wire: SessionWire;
  readonly #reader: CommandReader;
  #tls: TlsFacts | undefined;
  #hello = '';
  #extended = false;
  #offered: Offered;
  #user: AuthUser | undefined;
  #origin: string;
  #auth: AuthExchange | undefined;
  #transaction: Transaction | undefined;
  #data: DataPhase | undefined;
  #dataEndsByMs = 0;
  #offeredMessage: ReceivedMessage | undefined;
  #replies = '';
  #busy = false;
  #ended = false;
  #inputEnded = false;
  #waiting: Buffer[] = [];
  #messages = 0;
  #errors = 0;
  #authFailures = 0;
  #receivedHead = '';
  #receivedHeadUtf8 = '';

  constructor(context: SessionContext, client: SessionClient, wire: SessionWire) {
    this.#context = context;
    this.#client = client;
    this.#wire = wire;
    this.#reader = new CommandReader(context.options.bareLineEnding ?? 'Reject');
    this.#offered = this.#offer(false);
    this.#origin = `smtp [${client.address}]`;
    this.deadlineMs = context.nowMs() + context.limits.commandTimeoutMs;
  }

  /** No transaction is open and nothing is awaited: the session may be ended without loss. */
  get idle(): boolean {
    return this.#transaction === undefined && !this.#busy;
  }

  /** Says the greeting; under implicit TLS after the handshake. */
  greet(tls: TlsFacts | undefined): void {
    this.#tls = tls;
    this.#wire.write(`220 ${this.#context.options.hostname} ESMTP Sluice\r\n`);
  }

  /** The handshake after STARTTLS is done: everything learned before is forgotten (RFC 3207 §4.2). */
  tlsStarted(tls: TlsFacts): void {
    this.#tls = tls;
    this.#hello = '';
    this.#user = undefined;
    this.#origin = `smtp [${this.#client.address}]`;
    this.#busy = false;
    this.#forgetTransaction();
    this.deadlineMs = this.#context.nowMs() + this.#context.limits.commandTimeoutMs;
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
    if (this.#offeredMessage === undefined) this.#forgetTransaction();
  }

  /** `deadlineMs` has passed. */
  timeOut(): void {
    if (this.#ended) return;
    this.#refuse(this.#data === undefined ? REFUSALS.commandTimeout : REFUSALS.dataTimeout, 'Idle');
    this.#end(this.#replies);
  }

  /** The listener closes. An idle session ends at once, another after its message. */
  shutDown(): void {
    if (!this.idle || this.#ended) return;
    this.#refuse(REFUSALS.shuttingDown, 'Idle');
    this.#end(this.#replies);
  }

  #run(chunk: Buffer): void {
    let position = 0;
    while (position < chunk.length && !this.#ended) {
      if (this.#busy) {
        this.#waiting.unshift(chunk.subarray(position));
        return;
      }
      const data = this.#data;
      if (data !== undefined) {
        position = this.#receiveData(data, chunk, position);
        continue;
      }
      const line = this.#reader.read(chunk, position);
      position = this.#reader.next;
      if (line === undefined) return;
      if (typeof line !== 'string') this.#error(REFUSALS[line.flaw], 'Idle');
      else if (this.#auth !== undefined) this.#takeAuthStep(this.#auth.respond(line));
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
    else if (this.#data === undefined) this.deadlineMs = now + limits.commandTimeoutMs;
    else this.deadlineMs = Math.min(now + limits.dataIdleTimeoutMs, this.#dataEndsByMs);
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
      case 'EHLO':
      case 'HELO':
        return this.#sayHello(argument, verb === 'EHLO');
      case 'RSET':
        if (argument !== '') return this.#error(REFUSALS.noParameters, 'Idle');
        this.#forgetTransaction();
        this.#replies += OK;
        return;
      case 'NOOP':
        this.#replies += OK;
        return;
      case 'QUIT':
        if (argument !== '') return this.#error(REFUSALS.noParameters, 'Idle');
        return this.#end(`${this.#replies}221 2.0.0 Bye\r\n`);
      case 'AUTH':
        return this.#startAuth(argument);
      case 'STARTTLS':
        return this.#startTls(argument, isLast);
      case 'VRFY':
        this.#replies += '252 2.1.5 Cannot verify, will accept mail and try\r\n';
        return;
      case 'HELP':
        this.#replies += '214 2.0.0 See RFC 5321\r\n';
        return;
      case 'EXPN':
      case 'BDAT':
      case 'TURN':
      case 'ETRN':
        return this.#error(REFUSALS.notImplemented, 'Idle');
      default:
        if (/^(?:GET|POST|PUT|HEAD|OPTIONS|CONNECT|DELETE)$/.test(verb) && / HTTP\/\d/.test(line)) {
          this.#refuse(REFUSALS.notSmtp, 'Idle');
          return this.#end(this.#replies);
        }
        this.#error(REFUSALS.unknownCommand, 'Idle');
    }
  }

  #sayHello(name: string, extended: boolean): void {
    if (!isHelloName(name)) return this.#error(REFUSALS.badHello, 'Ehlo');
    this.#forgetTransaction();
    this.#hello = name;
    this.#extended = extended;
    this.#receivedHead = '';
    this.#receivedHeadUtf8 = '';
    this.#offered = this.#offer(extended);
    const { hostname, tls } = this.#context.options;
    if (!extended) {
      this.#replies += `250 ${hostname}\r\n`;
      return;
    }
    this.#replies +=
      `250-${hostname} greets ${name}\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n` +
      `250-ENHANCEDSTATUSCODES\r\n` +
      (tls?.mode === 'StartTls' && this.#tls === undefined ? '250-STARTTLS\r\n' : '') +
      (this.#offered.auth ? '250-AUTH PLAIN LOGIN\r\n' : '') +
      `250 SIZE ${this.#offered.maxMessageBytes}\r\n`;
  }

  #offer(extensions: boolean): Offered {
    const { auth } = this.#context.options;
    return {
      extensions,
      auth: auth !== undefined && (this.#tls !== undefined || auth.requireTls === false),
      maxMessageBytes: this.#context.limits.maxMessageBytes,
    };
  }

  #mail(argument: string): void {
    if (this.#hello === '') return this.#error(REFUSALS.sayHello, 'Mail');
    if (this.#transaction !== undefined) return this.#error(REFUSALS.nestedMail, 'Mail');
    const { limits, memory, options, closing } = this.#context;
    if (closing || this.#messages >= limits.maxMessagesPerConnection) {
      this.#refuse(closing ? REFUSALS.shuttingDown : REFUSALS.tooManyMessages, 'Mail');
      return this.#end(this.#replies);
    }
    const mail = parseMail(argument, this.#offered);
    if ('refusal' in mail) return this.#error(mail.refusal, 'Mail');
    if (!memory.hasRoomFor(mail.declaredBytes)) return this.#refuse(REFUSALS.memory, 'Mail', mail.sender);
    const pressure = options.pressure?.();
    if (pressure !== undefined) return this.#refuse(pressure, 'Mail', mail.sender);
    this.#transaction = new Transaction(mail.sender, mail.smtputf8, memory);
    this.#replies += SENDER_OK;
  }

  #rcpt(argument: string): void {
    const transaction = this.#transaction;
    if (transaction === undefined) return this.#error(REFUSALS.needMail, 'Rcpt');
    const address = parseRcpt(argument, transaction.smtputf8);
    if (typeof address !== 'string') return this.#error(address.refusal, 'Rcpt', transaction.sender);
    if (this.#user === undefined && !this.#client.mayRelay) {
      return this.#error(REFUSALS.relayDenied, 'Rcpt', transaction.sender, [address]);
    }
    if (!transaction.add(address, this.#context.limits.maxRecipients)) {
      return this.#refuse(REFUSALS.tooManyRecipients, 'Rcpt', transaction.sender, [address]);
    }
    this.#replies += RECIPIENT_OK;
  }

  #startData(argument: string): void {
    if (argument !== '') return this.#error(REFUSALS.noParameters, 'Data');
    const transaction = this.#transaction;
    if (transaction === undefined) return this.#error(REFUSALS.needMail, 'Data');
    if (transaction.recipients.length === 0)
      return this.#error(REFUSALS.needRcpt, 'Data', transaction.sender);
    this.#data = new DataPhase(this.#context.options.bareLineEnding ?? 'Reject');
    this.#dataEndsByMs = this.#context.nowMs() + this.#context.limits.dataTotalTimeoutMs;
    this.#replies += SEND_DATA;
  }

  #receiveData(data: DataPhase, chunk: Buffer, from: number): number {
    const transaction = this.#transaction;
    if (transaction === undefined) throw new Error('data without a transaction');
    const before = data.sizeBytes;
    const end = data.feed(chunk, from);
    if (transaction.refusal === undefined) {
      transaction.charge(data.sizeBytes - before);
      if (data.flaw !== undefined) transaction.refusal = REFUSALS[data.flaw];
      else if (data.sizeBytes > this.#context.limits.maxMessageBytes) transaction.refusal = REFUSALS.tooLarge;
      else if (this.#context.memory.exceeded) transaction.refusal = REFUSALS.memory;
      if (transaction.refusal !== undefined) {
        data.discard();
        transaction.release();
      }
    }
    if (end === -1) return chunk.length;
    this.#data = undefined;
    this.#messages++;
    this.#offerMessage(transaction, data);
    return end;
  }

  #offerMessage(transaction: Transaction, data: DataPhase): void {
    const refusal = transaction.refusal ?? this.#context.options.pressure?.();
    if (refusal !== undefined) return this.#refuseMessage(refusal, '');
    const id = this.#context.newId();
    const message = buildMessage({
      id,
      pieces: data.pieces,
      sizeBytes: data.sizeBytes,
      eightBit: data.eightBit,
      sender: transaction.sender,
      recipients: transaction.recipients,
      askedSmtputf8: transaction.smtputf8,
      origin: this.#origin,
      wallMs: this.#context.wallMs(),
      hostname: this.#context.options.hostname,
      receivedHead: this.#traceHead(transaction.smtputf8),
      headerMap: this.#context.headerMap,
      headersCount: this.#user !== undefined || (this.#context.options.headers?.fromRelayNetworks ?? true),
      resolveTenant: this.#resolveTenant,
    });
    if ('code' in message) return this.#refuseMessage(message, id);
    this.#offeredMessage = message;
    this.#busy = true;
    // A synchronous throw of `accept` is treated as its rejection.
    try {
      this.#context.accept(message.envelope, message.body).then(this.#accepted, this.#acceptFailed);
    } catch (error) {
      queueMicrotask(() => this.#acceptFailed(error));
    }
  }

  // Bound once for the session, so that a message makes no closures.
  readonly #resolveTenant = (header: string): string | Rejection => {
    const userTenant = this.#user?.tenant ?? '';
    const resolve = this.#context.options.resolveTenant;
    if (resolve === undefined) return userTenant === '' ? header : userTenant;
    const sender = this.#transaction?.sender ?? '';
    return resolve({ username: this.#user?.username ?? '', userTenant, sender, header });
  };

  readonly #accepted = (rejection: Rejection | undefined): void => {
    const id = this.#offeredMessage?.envelope.id ?? '';
    if (rejection === undefined) {
      this.#replies += `250 2.0.0 queued as ${id}\r\n`;
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

  #traceHead(smtputf8: boolean): string {
    const made = smtputf8 ? this.#receivedHeadUtf8 : this.#receivedHead;
    if (made !== '') return made;
    const head = receivedHead({
      hello: this.#hello,
      clientAddress: this.#client.address,
      hostname: this.#context.options.hostname,
      extended: this.#extended,
      smtputf8,
      authenticated: this.#user !== undefined,
      tls: this.#tls,
    });
    if (smtputf8) this.#receivedHeadUtf8 = head;
    else this.#receivedHead = head;
    return head;
  }

  #startTls(argument: string, isLast: boolean): void {
    const { tls } = this.#context.options;
    if (argument !== '') return this.#error(REFUSALS.noParameters, 'Idle');
    if (tls?.mode !== 'StartTls' || this.#tls !== undefined)
      return this.#error(REFUSALS.tlsUnavailable, 'Idle');
    if (this.#transaction !== undefined) return this.#error(REFUSALS.nestedMail, 'Idle');
    if (!isLast || this.#waiting.length > 0) {
      this.#refuse(REFUSALS.pipelinedStartTls, 'Idle');
      return this.#end(this.#replies);
    }
    const replies = `${this.#replies}220 2.0.0 Ready to start TLS\r\n`;
    this.#replies = '';
    this.#busy = true;
    this.#wire.startTls(replies);
  }

  #startAuth(argument: string): void {
    const { auth } = this.#context.options;
    if (auth === undefined) return this.#error(REFUSALS.authUnavailable, 'Auth');
    if (this.#hello === '' || !this.#extended) return this.#error(REFUSALS.sayHello, 'Auth');
    if (this.#user !== undefined) return this.#error(REFUSALS.authTwice, 'Auth');
    if (this.#transaction !== undefined) return this.#error(REFUSALS.nestedMail, 'Auth');
    if (!this.#offered.auth) return this.#error(REFUSALS.authNeedsTls, 'Auth');
    this.#auth = new AuthExchange();
    this.#takeAuthStep(this.#auth.begin(argument));
  }

  #takeAuthStep(step: AuthStep): void {
    if (step.kind === 'challenge') {
      this.#replies += `334 ${step.text}\r\n`;
      return;
    }
    this.#auth = undefined;
    if (step.kind === 'refused') return this.#error(step.refusal, 'Auth');
    this.#busy = true;
    void this.#checkPassword(step.username, step.password);
  }

  async #checkPassword(username: string, password: string): Promise<void> {
    let passed = false;
    const user = this.#context.options.auth?.findUser(username);
    try {
      // An unknown name costs what a known one costs.
      const check = user?.checkPassword ?? this.#context.checkNobody;
      passed = (await check(password)) && user !== undefined;
    } catch (error) {
      this.#context.hooks.failed?.(error);
    }
    if (this.#ended) return;
    if (passed && user !== undefined) {
      this.#user = user;
      this.#receivedHead = '';
      this.#receivedHeadUtf8 = '';
      this.#origin = `smtp [${this.#client.address}] user=${user.username}`;
      this.#replies += '235 2.7.0 Authentication successful\r\n';
    } else {
      this.#error(REFUSALS.authFailed, 'Auth');
      if (++this.#authFailures >= MAX_AUTH_FAILURES && !this.#ended) {
        this.#refuse(REFUSALS.tooManyErrors, 'Auth');
        this.#end(this.#replies);
      }
    }
    this.#continue();
  }

  /** A refusal that counts as the client's mistake; too many end the session. */
  #error(reply: Rejection, phase: IntakePhase, sender?: string, recipients?: readonly string[]): void {
    this.#refuse(reply, phase, sender, recipients);
    if (++this.#errors <= this.#context.limits.maxErrors) return;
    this.#refuse(REFUSALS.tooManyErrors, phase);
    this.#end(this.#replies);
  }

  #refuse(
    reply: Rejection,
    phase: IntakePhase,
    sender = '',
    recipients: readonly string[] = [],
    id = '',
  ): void {
    this.#replies += replyLine(reply);
    this.#context.hooks.refused?.(reply, { phase, origin: this.#origin, id, sender, recipients });
  }

  #forgetTransaction(): void {
    this.#transaction?.release();
    this.#transaction = undefined;
    this.#data = undefined;
    this.#offeredMessage = undefined;
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
