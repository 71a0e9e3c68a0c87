import type { SessionTimeouts } from '@sluice/crds';
import type { Reply } from '../spool/mod.ts';
import type { Capabilities } from './capabilities.ts';
import type { Connection, ConnectionUser } from './connection.ts';
import { type ConnectionEnd, unexpected } from './connection-end.ts';
import type { Flaw } from './host-memory.ts';
import { quit } from './quit.ts';
import type { WireReply } from './reply-parser.ts';
import type { Session, SessionTls } from './session.ts';
import type { Transaction, TransactionResult } from './transaction.ts';
import { TransactionRun, type TransactionSetting } from './transaction-run.ts';

/** A message whose commands and body fit in here leaves in one write, from a buffer that the session reuses. */
export const SCRATCH_BYTES = 16 * 1024;

/** What opening a session has found out. */
export interface OpenedSession {
  readonly connection: Connection;
  readonly capabilities: Capabilities;
  readonly hostName: string;
  readonly timeouts: SessionTimeouts;
  readonly greeting: Reply;
  readonly tls: SessionTls | undefined;
  /** The next connections to this host are told. */
  readonly remember: (flaw: Flaw) => void;
}

/** An open session between, during and after its transactions. */
export class SmtpSession implements Session, ConnectionUser, TransactionSetting {
  readonly ok = true;
  readonly greeting: Reply;
  readonly tls?: SessionTls;
  readonly connection: Connection;
  readonly capabilities: Capabilities;
  readonly hostName: string;
  readonly timeouts: SessionTimeouts;
  transactions = 0;
  onEnd: (() => void) | undefined;
  #run: TransactionRun | undefined;
  /** RSET was sent and not answered: a transaction waits for it. */
  #resetting = false;
  /** Carried a transaction before the one that runs. */
  reused = false;
  readonly remember: (flaw: Flaw) => void;
  pipeliningWorks = false;
  chunkingWorks = false;
  #closing: Promise<void> | undefined;
  #scratch: Buffer | undefined;

  constructor(opened: OpenedSession) {
    this.connection = opened.connection;
    this.capabilities = opened.capabilities;
    this.hostName = opened.hostName;
    this.timeouts = opened.timeouts;
    this.greeting = opened.greeting;
    this.remember = opened.remember;
    if (opened.tls !== undefined) this.tls = opened.tls;
    this.connection.user = this;
  }

  get usable(): boolean {
    return this.connection.end === undefined && this.#closing === undefined;
  }

  get dsn(): boolean {
    return this.capabilities.dsn;
  }

  send(transaction: Transaction): Promise<TransactionResult> {
    if (this.#run !== undefined) throw new Error('one transaction at a time');
    const run = new TransactionRun(this, transaction);
    if (!this.#resetting) this.connection.mayGoOn();
    if (!this.usable) {
      run.abandon(this.connection.end ?? { cause: 'local', detail: 'the session is being closed' });
      return run.result;
    }
    this.#run = run;
    if (!this.#resetting) run.start();
    return run.result;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  destroy(): Promise<void> {
    // Who closes it meanwhile must wait for the peer as well: the slot is given out again after that.
    this.#closing ??= this.connection.gone();
    this.connection.reset({ cause: 'local', detail: 'session taken down' });
    return this.connection.gone();
  }

  onReply(wire: WireReply): void {
    if (!this.#resetting) {
      this.connection.unsolicited(wire);
      return;
    }
    if (wire.code >= 300) {
      // What the peer thinks is the state of the session is anybody's guess.
      if (wire.code === 421) this.connection.peerCloses(wire);
      else this.connection.reset(unexpected(wire));
      return;
    }
    this.#resetting = false;
    this.connection.disarm();
    if (this.connection.mayGoOn()) this.#run?.start();
  }

  onConnectionEnd(end: ConnectionEnd): void {
    const run = this.#run;
    this.#run = undefined;
    if (run !== undefined) run.abandon(end);
    else if (this.#closing === undefined) this.onEnd?.();
  }

  onDrain(): void {}

  scratch(): Buffer {
    // Octets that have not left are still read from the old buffer: a peer may answer before it has read everything.
    if (this.#scratch === undefined || this.connection.socket.writableLength > 0) {
      this.#scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
    }
    return this.#scratch;
  }

  transactionBegins(): void {
    this.reused = this.transactions > 0;
    this.transactions++;
  }

  transactionOver(clean: boolean): void {
    this.#run = undefined;
    const { connection } = this;
    if (connection.end !== undefined) return;
    connection.user = this;
    connection.disarm();
    if (clean || !connection.mayGoOn()) return;
    this.#resetting = true;
    connection.arm(this.timeouts.rsetMs);
    connection.socket.write('RSET\r\n');
  }

  async #close(): Promise<void> {
    await this.#run?.result;
    await quit(this.connection, this.timeouts.quitMs);
  }
}
