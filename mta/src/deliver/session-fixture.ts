/** For tests: a session to a {@link ScriptedServer}, with timeouts that fire only where a test wants them to. */
import { connect } from 'node:net';
import type { SessionTimeouts } from '@sluice/crds';
import {
  createOpenSession,
  type OpenSession,
  type RecipientResult,
  type Session,
  type SessionFailure,
  type SessionOptions,
  type Transaction,
} from './mod.ts';
import { type Script, ScriptedServer, TEST_HOST } from './scripted-server.ts';

const LONG_MS = 20_000;

export const LONG_TIMEOUTS: SessionTimeouts = {
  connectMs: LONG_MS,
  greetingMs: LONG_MS,
  ehloMs: LONG_MS,
  startTlsMs: LONG_MS,
  authMs: LONG_MS,
  mailMs: LONG_MS,
  rcptMs: LONG_MS,
  dataMs: LONG_MS,
  dataBlockMs: LONG_MS,
  finalDotMs: LONG_MS,
  rsetMs: LONG_MS,
  quitMs: LONG_MS,
};

/** A timeout that a test waits for. */
export const SHORT_MS = 30;

/** Options of a session to a server on this machine; TLS Disabled unless overridden. */
export function sessionOptions(
  port: number,
  overrides: Partial<Omit<SessionOptions, 'timeouts'>> & {
    readonly timeouts?: Partial<SessionTimeouts>;
  } = {},
): SessionOptions {
  return {
    dial: (signal) =>
      new Promise((resolve, reject) => {
        const socket = connect({ port, host: '127.0.0.1', noDelay: true });
        signal.addEventListener('abort', () => socket.destroy(new Error('aborted')));
        socket.once('connect', () => resolve(socket));
        socket.once('error', reject);
      }),
    hostName: TEST_HOST,
    address: '127.0.0.1',
    port,
    ehlo: 'out.example',
    tls: { level: 'Disabled' },
    ...overrides,
    timeouts: { ...LONG_TIMEOUTS, ...overrides.timeouts },
  };
}

/** Runs the scripts, one for each connection, while the client's part runs; both must come out right. */
export async function withServer(
  scripts: readonly Script[],
  client: (server: ScriptedServer) => Promise<void>,
): Promise<void> {
  const server = await ScriptedServer.start(...scripts);
  try {
    await client(server);
  } catch (error) {
    // What the server saw is usually the better explanation.
    await Promise.race([server.stop(), new Promise((resolve) => setImmediate(resolve))]);
    throw error;
  }
  await server.stop();
}

/** A client that has met nobody yet. */
export function newClient(): OpenSession {
  return createOpenSession({ nowMs: () => performance.now() });
}

/** Opens a session that must open. */
export async function opened(options: SessionOptions, openSession = newClient()): Promise<Session> {
  const session = await openSession(options);
  if (!session.ok) throw new Error(describe(session));
  return session;
}

/** Opens a session that must not open. */
export async function failed(options: SessionOptions, openSession = newClient()): Promise<SessionFailure> {
  const session = await openSession(options);
  if (!session.ok) return session;
  await session.destroy();
  throw new Error('the session opened');
}

export function message(overrides: Partial<Transaction> & { readonly text?: string } = {}): Transaction {
  const { text, ...rest } = overrides;
  const body = [Buffer.from(text ?? 'Subject: hello\r\n\r\nHello\r\n')];
  return {
    sender: 'a@out.example',
    recipients: ['b@mx.example'],
    body,
    sizeBytes: body[0]?.length ?? 0,
    eightBit: false,
    smtputf8: false,
    ...rest,
  };
}

/** `StartTls tls 451 4.7.4 next` */
export function describe(failure: SessionFailure): string {
  const flags = `${failure.tryNextHost ? ' next' : ''}${failure.permanent ? ' permanent' : ''}`;
  return `${failure.phase} ${failure.cause} ${failure.reply.code} ${failure.reply.enhanced}${flags}`;
}

/** `delivered FinalDot 250 2.0.0` */
export function outcome(result: RecipientResult): string {
  return `${result.status} ${result.phase} ${result.reply.code} ${result.reply.enhanced}`;
}
