import type { Socket } from 'node:net';
import { type SecureContext, TLSSocket } from 'node:tls';
import ipaddr from 'ipaddr.js';
import type { Rejection } from './contract.ts';
import type { NetworkList } from './network-list.ts';
import { parseProxyHeader } from './proxy-header.ts';
import { REFUSALS, replyLine } from './replies.ts';
import type { SessionContext, SessionWire, TlsFacts } from './session-context.ts';
import { SmtpSession } from './smtp-session.ts';

/** Replies that a client has not read yet before its commands are no longer read. */
const MAX_UNREAD_REPLY_BYTES = 64 * 1024;
/** How long a connection that we ended may take to close its side. */
const LINGER_MS = 5_000;
/** The same while the listener closes: a stop waits for it. */
const CLOSING_LINGER_MS = 1_000;

/** What a connection needs from its listener. */
export interface ConnectionHost {
  readonly context: SessionContext;
  readonly relayNetworks: NetworkList;
  readonly proxyNetworks: NetworkList;
  /** The certificate in force now. */
  secureContext(): SecureContext | undefined;
  /** Called when the address of the client is known; a reply refuses it. */
  admit(clientAddress: string): Rejection | undefined;
  closed(connection: SmtpConnection): void;
}

/** The socket of one session: PROXY header, TLS, back-pressure, deadlines. Everything that is SMTP is in {@link SmtpSession}. */
export class SmtpConnection implements SessionWire {
  /** The address that counts against `maxConnectionsPerClient`; `''` until it is admitted. */
  clientAddress = '';
  readonly #host: ConnectionHost;
  readonly #raw: Socket;
  #socket: Socket;
  #session: SmtpSession | undefined;
  #deadlineMs: number;
  #ended = false;
  #sessionPaused = false;
  #unread = false;

  constructor(socket: Socket, host: ConnectionHost) {
    this.#host = host;
    this.#raw = socket;
    this.#socket = socket;
    this.#deadlineMs = host.context.nowMs() + host.context.limits.handshakeTimeoutMs;
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#session?.closed();
      host.closed(this);
    });
  }

  /** Begins: with the PROXY header when the peer is a trusted proxy, else with the session. */
  start(refusal: Rejection | undefined): void {
    const peer = this.#raw.remoteAddress;
    if (peer === undefined) return this.destroy();
    if (refusal !== undefined) return this.#turnAway(refusal);
    if (this.#host.proxyNetworks.has(peer)) this.#readProxyHeader(peer);
    else this.#admit(peer);
  }

  /** Ends what has waited too long. */
  sweep(nowMs: number): void {
    const session = this.#session;
    if (session === undefined || this.#ended) {
      if (nowMs >= this.#deadlineMs) this.destroy();
    } else if (nowMs >= session.deadlineMs) session.timeOut();
  }

  /** The listener closes: sessions end as soon as they can, handshakes at once. */
  shutDown(): void {
    if (this.#session === undefined) this.destroy();
    else this.#session.shutDown();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#raw.destroy();
  }

  write(text: string): void {
    if (this.#socket.destroyed) return;
    this.#socket.write(text, 'latin1');
    if (this.#socket.writableLength <= MAX_UNREAD_REPLY_BYTES || this.#unread) return;
    this.#unread = true;
    this.#socket.pause();
    this.#socket.once('drain', () => {
      this.#unread = false;
      if (!this.#sessionPaused) this.#socket.resume();
    });
  }

  end(text: string): void {
    this.#ended = true;
    const { nowMs, closing } = this.#host.context;
    this.#deadlineMs = nowMs() + (closing ? CLOSING_LINGER_MS : LINGER_MS);
    this.#socket.end(text, 'latin1');
    // A paused socket would never see the end of the other side.
    this.#sessionPaused = false;
    this.#socket.resume();
  }

  pause(): void {
    this.#sessionPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#sessionPaused) return;
    this.#sessionPaused = false;
    if (!this.#unread) this.#socket.resume();
  }

  startTls(text: string): void {
    this.#raw.removeAllListeners('data');
    this.#raw.removeAllListeners('end');
    this.#raw.pause();
    this.#raw.write(text, 'latin1');
    this.#deadlineMs = this.#host.context.nowMs() + this.#host.context.limits.handshakeTimeoutMs;
    this.#handshake((tls) => this.#session?.tlsStarted(tls));
  }

  #readProxyHeader(peer: string): void {
    let head: Buffer = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      const header = parseProxyHeader(head);
      if (header.kind === 'more') return;
      this.#raw.off('data', onData);
      // Nothing can be said to a peer that does not speak what was agreed.
      if (header.kind === 'invalid') return this.destroy();
      this.#raw.pause();
      const rest = head.subarray(header.length);
      if (rest.length > 0) this.#raw.unshift(rest);
      this.#admit(header.client?.address ?? peer);
    };
    this.#raw.on('data', onData);
    this.#raw.once('end', () => {
      if (this.#session === undefined) this.destroy();
    });
  }

  #admit(address: string): void {
    const { context, relayNetworks } = this.#host;
    const clientAddress = ipaddr.process(address).toString();
    const refusal = this.#host.admit(clientAddress);
    if (refusal !== undefined) return this.#turnAway(refusal);
    this.clientAddress = clientAddress;
    const client = { address: clientAddress, mayRelay: relayNetworks.has(clientAddress) };
    if (context.options.tls?.mode === 'Implicit') {
      this.#handshake((tls) => this.#openSession(client, tls));
      return;
    }
    this.#openSession(client, undefined);
    this.#listen(this.#raw);
  }

  #openSession(client: ConstructorParameters<typeof SmtpSession>[1], tls: TlsFacts | undefined): void {
    this.#session = new SmtpSession(this.#host.context, client, this);
    this.#session.greet(tls);
  }

  #turnAway(refusal: Rejection): void {
    const { context } = this.#host;
    const peer = this.#raw.remoteAddress ?? '';
    context.hooks.refused?.(refusal, {
      phase: 'Connect',
      origin: `smtp [${peer}]`,
      id: '',
      sender: '',
      recipients: [],
    });
    if (context.options.tls?.mode === 'Implicit') return this.destroy();
    this.end(replyLine(refusal));
  }

  #handshake(done: (tls: TlsFacts) => void): void {
    const secureContext = this.#host.secureContext();
    if (secureContext === undefined) return this.destroy();
    const secure = new TLSSocket(this.#raw, { isServer: true, secureContext });
    this.#socket = secure;
    this.#ended = true;
    secure.on('error', () => this.destroy());
    secure.on('close', () => this.#raw.destroy());
    // Once: a TLS 1.2 client may renegotiate.
    secure.once('secure', () => {
      this.#ended = false;
      const { name, version } = secure.getCipher();
      done({ protocol: version, cipher: name });
      this.#listen(secure);
    });
  }

  #listen(socket: Socket): void {
    const session = this.#session;
    if (session === undefined) return;
    socket.on('data', (chunk: Buffer) => {
      try {
        session.receive(chunk);
      } catch (error) {
        this.#host.context.hooks.failed?.(error);
        this.end(replyLine({ ...REFUSALS.internalError, code: 421 }));
        session.closed();
      }
    });
    socket.on('end', () => session.inputEnd());
    socket.resume();
  }
}
