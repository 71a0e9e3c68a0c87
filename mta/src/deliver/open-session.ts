import type { Socket } from 'node:net';
import type { TlsLevel } from '@sluice/crds';
import { authenticate, isLoopback } from './authenticate.ts';
import { type Capabilities, capabilitiesOf, NO_CAPABILITIES } from './capabilities.ts';
import type { ClientState } from './client-state.ts';
import { connectFailure } from './connect-failure.ts';
import { afterReset, Connection } from './connection.ts';
import { HostMemory, hostPlace } from './host-memory.ts';
import { quit } from './quit.ts';
import { replyOf } from './reply-text.ts';
import type { OpenSession, Session, SessionOptions } from './session.ts';
import { failureOf, refusedByReply, refusedLocally, type SessionFailure } from './session-failure.ts';
import { SmtpSession } from './smtp-session.ts';
import { mayResume, startTls } from './start-tls.ts';
import { TlsSessionCache } from './tls-session-cache.ts';

const EHLO_NAME = /^[\x21-\x7e]+$/;

/** Settings of a client. */
export interface ClientSetting {
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  /** Client certificates by name; absent = there are none. */
  readonly findCertificate?: ClientState['findCertificate'];
}

/**
 * Makes the client of a pod. It opens sessions: connect, greeting, EHLO (HELO when refused), STARTTLS as the level asks, AUTH when there are
 * credentials; and it remembers which hosts cannot do what they announce, and their TLS sessions. Resolves, never rejects; a failure resolves
 * only when the peer does not count the connection any more, so the caller may give its slot back. docs/reference/delivery.md says what each failure does.
 *
 * Example: `const session = await createOpenSession({ nowMs })({ dial, hostName: 'mx.example', …}); if (session.ok) await session.send(message);`
 */
export function createOpenSession({ nowMs, findCertificate = () => undefined }: ClientSetting): OpenSession {
  const state: ClientState = {
    memory: new HostMemory(nowMs),
    tlsSessions: new TlsSessionCache(nowMs),
    nowMs,
    findCertificate,
  };
  return (options) => openSession(options, state);
}

async function openSession(options: SessionOptions, state: ClientState): Promise<Session | SessionFailure> {
  if (!EHLO_NAME.test(options.ehlo)) {
    return refusedLocally('Ehlo', 'local', '4.3.5', `"${options.ehlo}" cannot be an EHLO name`, false);
  }
  const place = hostPlace(options);
  const clearIsFine = mayGoInClear(options);
  const tlsIsBroken = clearIsFine && state.memory.knows('Tls', place);
  const resumes = !tlsIsBroken && mayResume(options, state);
  let opened = await open(options, tlsIsBroken ? 'Disabled' : options.tls.level, state);
  // A host that cannot resume what it gave a ticket for gets a full handshake, not mail in clear.
  if (resumes && !opened.ok && handshakeFailed(opened) && !mayResume(options, state) && !aborted(options)) {
    opened = await open(options, options.tls.level, state);
  }
  if (opened.ok || !clearIsFine || !handshakeFailed(opened) || aborted(options)) return opened;
  const inClear = await open(options, 'Disabled', state);
  // Where that fails too it is not TLS that is broken.
  if (inClear.ok) state.memory.remember('Tls', place);
  return inClear;
}

/**
 * Opportunistic TLS protects against listeners only; a host whose TLS is broken would get no mail at all (RFC 7435). Not
 * where a password must follow.
 */
function mayGoInClear(options: SessionOptions): boolean {
  return options.tls.level === 'Opportunistic' && (options.auth === undefined || isLoopback(options.address));
}

function handshakeFailed({ phase, cause }: SessionFailure): boolean {
  return phase === 'StartTls' && (cause === 'tls' || cause === 'closed' || cause === 'timeout');
}

function aborted({ signal }: SessionOptions): boolean {
  return signal?.aborted === true;
}

async function open(
  options: SessionOptions,
  level: TlsLevel,
  state: ClientState,
): Promise<Session | SessionFailure> {
  const dialled = await dial(options);
  if ('ok' in dialled) return dialled;
  const connection = new Connection(dialled);
  const abort = (): void => connection.reset({ cause: 'local', detail: 'given up' });
  options.signal?.addEventListener('abort', abort);
  if (options.signal?.aborted === true) abort();
  const opened = await converse(connection, options, level, state);
  options.signal?.removeEventListener('abort', abort);
  if (!opened.ok) await quit(connection, options.timeouts.quitMs);
  return opened;
}

async function dial(options: SessionOptions): Promise<Socket | SessionFailure> {
  if (options.signal?.aborted === true) return connectFailure(options.signal.reason, false, options);
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  let timedOut = false;
  const limit = setTimeout(() => {
    timedOut = true;
    // The reason tells a way out with several hops to say which of them took too long.
    controller.abort(new DOMException('no answer in time', 'TimeoutError'));
  }, options.timeouts.connectMs);
  options.signal?.addEventListener('abort', abort);
  try {
    return await options.dial(controller.signal);
  } catch (error) {
    const failure = connectFailure(error, timedOut, options);
    // Given up on our side, the connection may have come about on the other one in this moment, or behind a proxy.
    if (controller.signal.aborted) await afterReset();
    return failure;
  } finally {
    clearTimeout(limit);
    options.signal?.removeEventListener('abort', abort);
  }
}

async function converse(
  connection: Connection,
  options: SessionOptions,
  level: TlsLevel,
  state: ClientState,
): Promise<SmtpSession | SessionFailure> {
  const { hostName, timeouts } = options;
  const greeting = await connection.ask(undefined, timeouts.greetingMs);
  if ('cause' in greeting) return failureOf(greeting, 'Greeting', hostName, true);
  if (greeting.code >= 300) return refusedByReply('Greeting', greeting, hostName);
  let capabilities = await introduce(connection, options);
  if ('ok' in capabilities) return capabilities;
  const tls = await startTls(connection, capabilities, options, level, state);
  if (tls !== undefined && 'ok' in tls) return tls;
  if (tls !== undefined) {
    // RFC 3207 §4.2: what was said in clear is forgotten.
    capabilities = await introduce(connection, options);
    if ('ok' in capabilities) return capabilities;
  }
  const refused = await authenticate(connection, capabilities, options);
  if (refused !== undefined) return refused;
  // The peer may have closed in the same breath as it answered.
  if (connection.end !== undefined) return failureOf(connection.end, 'Ehlo', hostName, true);
  const place = hostPlace(options);
  const { memory } = state;
  return new SmtpSession({
    connection,
    capabilities: {
      ...capabilities,
      chunking: capabilities.chunking && !memory.knows('Chunking', place),
      pipelining: capabilities.pipelining && !memory.knows('Pipelining', place),
    },
    remember: (flaw) => memory.remember(flaw, place),
    hostName,
    timeouts,
    greeting: replyOf(greeting, hostName),
    tls,
  });
}

/** EHLO; HELO where the server does not know it (RFC 5321 §3.2). */
async function introduce(
  connection: Connection,
  options: SessionOptions,
): Promise<Capabilities | SessionFailure> {
  const { hostName, timeouts } = options;
  const ehlo = await connection.ask(`EHLO ${options.ehlo}`, timeouts.ehloMs);
  if ('cause' in ehlo) return failureOf(ehlo, 'Ehlo', hostName, true);
  if (ehlo.code < 300) return capabilitiesOf(ehlo);
  if (ehlo.code < 500) return refusedByReply('Ehlo', ehlo, hostName);
  const helo = await connection.ask(`HELO ${options.ehlo}`, timeouts.ehloMs);
  if ('cause' in helo) return failureOf(helo, 'Ehlo', hostName, true);
  return helo.code < 300 ? NO_CAPABILITIES : refusedByReply('Ehlo', helo, hostName);
}
