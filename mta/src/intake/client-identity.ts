import type { Rejection } from './contract.ts';
import type { AuthUser } from './listener-options.ts';
import type { Offered } from './mail-command.ts';
import { REFUSALS } from './replies.ts';
import type { SessionClient, SessionContext, TlsFacts } from './session-context.ts';
import { receivedHead } from './trace-header.ts';

/** Who is at the other end of a session, as far as it is known by now, and what that allows. */
export class ClientIdentity {
  /** As in {@link Envelope.origin}: `smtp [192.0.2.1] user=alice`. */
  origin: string;
  /** What the client called itself, `''` before EHLO or HELO. */
  hello = '';
  user: AuthUser | undefined;
  /** What this client may use; changes with EHLO and TLS. */
  offered: Offered;
  tls: TlsFacts | undefined;
  readonly #context: SessionContext;
  readonly #client: SessionClient;
  // One Received head for each protocol name, made when the first message needs it.
  #receivedHead = '';
  #receivedHeadUtf8 = '';

  constructor(context: SessionContext, client: SessionClient) {
    this.#context = context;
    this.#client = client;
    this.origin = `smtp [${client.address}]`;
    this.offered = this.#offer(false);
  }

  /** RFC 3207 §4.2: what was said before the handshake is forgotten. */
  tlsStarted(tls: TlsFacts): void {
    this.tls = tls;
    this.hello = '';
    this.user = undefined;
    this.origin = `smtp [${this.#client.address}]`;
    this.offered = this.#offer(false);
    this.#forgetHeads();
  }

  authenticated(user: AuthUser): void {
    this.user = user;
    this.origin = `smtp [${this.#client.address}] user=${user.username}`;
    this.#forgetHeads();
  }

  /** EHLO or HELO; returns the reply, which offers what this client may use. */
  saidHello(name: string, extended: boolean): string {
    this.hello = name;
    this.offered = this.#offer(extended);
    this.#forgetHeads();
    const { hostname, tls } = this.#context.options;
    if (!extended) return `250 ${hostname}\r\n`;
    const startTls = tls?.mode === 'StartTls' && this.tls === undefined ? '250-STARTTLS\r\n' : '';
    const auth = this.offered.auth ? '250-AUTH PLAIN LOGIN\r\n' : '';
    const dsn = this.offered.dsn ? '250-DSN\r\n' : '';
    return (
      `250-${hostname} greets ${name}\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n` +
      `250-ENHANCEDSTATUSCODES\r\n${dsn}${startTls}${auth}250 SIZE ${this.offered.maxMessageBytes}\r\n`
    );
  }

  /** Why this client may not begin AUTH now. */
  refusesAuth(): Rejection | undefined {
    if (this.#context.options.auth === undefined) return REFUSALS.authUnavailable;
    if (this.hello === '' || !this.offered.extensions) return REFUSALS.sayHello;
    if (this.user !== undefined) return REFUSALS.authTwice;
    return this.offered.auth ? undefined : REFUSALS.authNeedsTls;
  }

  get mayRelay(): boolean {
    return this.user !== undefined || this.#client.mayRelay;
  }

  /** Whether header fields of this client may name tenant, campaign and class. */
  get mayMapHeaders(): boolean {
    return this.user !== undefined || (this.#context.options.headers?.fromRelayNetworks ?? true);
  }

  /** The tenant of a message of this client, or why it is refused. */
  tenantOf(sender: string, header: string): string | Rejection {
    const userTenant = this.user?.tenant ?? '';
    const resolve = this.#context.options.resolveTenant;
    if (resolve === undefined) return userTenant === '' ? header : userTenant;
    return resolve({ username: this.user?.username ?? '', userTenant, sender, header });
  }

  /** The Received field up to the id. */
  traceHead(smtputf8: boolean): string {
    const made = smtputf8 ? this.#receivedHeadUtf8 : this.#receivedHead;
    if (made !== '') return made;
    const head = receivedHead({
      hello: this.hello,
      clientAddress: this.#client.address,
      hostname: this.#context.options.hostname,
      extended: this.offered.extensions,
      smtputf8,
      authenticated: this.user !== undefined,
      tls: this.tls,
    });
    if (smtputf8) this.#receivedHeadUtf8 = head;
    else this.#receivedHead = head;
    return head;
  }

  #offer(extensions: boolean): Offered {
    const { auth } = this.#context.options;
    return {
      extensions,
      auth: auth !== undefined && (this.tls !== undefined || auth.requireTls === false),
      dsn: extensions && this.#context.options.dsn === true,
      maxMessageBytes: this.#context.limits.maxMessageBytes,
    };
  }

  #forgetHeads(): void {
    this.#receivedHead = '';
    this.#receivedHeadUtf8 = '';
  }
}
