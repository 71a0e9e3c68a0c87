import type { Socket } from 'node:net';
import type { TlsLevel } from '@sluice/crds';
import { authenticate, isLoopback } from './authenticate.ts';
import { type Capabilities, capabilitiesOf, NO_CAPABILITIES } from './capabilities.ts';
import { connectFailure } from './connect-failure.ts';
import { Connection } from './connection.ts';
import { quit } from './quit.ts';
import { replyOf } from './reply-text.ts';
import type { Session, SessionOptions, SessionTls } from './session.ts';
import { failureOf, refusedByReply, refusedLocally, type SessionFailure } from './session-failure.ts';
import { SmtpSession } from './smtp-session.ts';
import { requiresTls, tlsUpgrade } from './tls-level.ts';

const EHLO_NAME = /^[\x21-\x7e]+$/;

/**
 * Opens a session: connect, greeting, EHLO (HELO when refused), STARTTLS as the level asks, AUTH when there are credentials.
 * Resolves, never rejects; a failure resolves only when the peer does not count the connection any more, so the caller may give its slot back.
 * docs/reference/delivery.md says what each failure does.
 *
 * Example: `const session = await openSession({ dial, hostName: 'mx.example', …}); if (session.ok) await session.send(message);`
 */
export async function openSession(options: SessionOptions): Promise<Session | SessionFailure> {
  if (!EHLO_NAME.test(options.ehlo)) {
    return refusedLocally('Ehlo', 'local', '4.3.5', `"${options.ehlo}" cannot be an EHLO name`, false);
  }
  const opened = await open(options, options.tls.level);
  if (opened.ok || !mayRetryInClear(opened, options)) return opened;
  return open(options, 'Disabled');
}

/**
 * Opportunistic TLS protects against listeners only; a host whose TLS is broken would get no mail at all (RFC 7435). Pointless
 * where a password must follow.
 */
function mayRetryInClear(failure: SessionFailure, options: SessionOptions): boolean {
  return (
    options.tls.level === 'Opportunistic' &&
    failure.phase === 'StartTls' &&
    (failure.cause === 'tls' || failure.cause === 'closed' || failure.cause === 'timeout') &&
    (options.auth === undefined || isLoopback(options.address)) &&
    options.signal?.aborted !== true
  );
}

async function open(options: SessionOptions, level: TlsLevel): Promise<Session | SessionFailure> {
  const dialled = await dial(options);
  if ('ok' in dialled) return dialled;
  const connection = new Connection(dialled);
  const abort = (): void => connection.reset({ cause: 'local', detail: 'given up' });
  options.signal?.addEventListener('abort', abort);
  if (options.signal?.aborted === true) abort();
  const opened = await converse(connection, options, level);
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
    abort();
  }, options.timeouts.connectMs);
  options.signal?.addEventListener('abort', abort);
  try {
    return await options.dial(controller.signal);
  } catch (error) {
    return connectFailure(error, timedOut, options);
  } finally {
    clearTimeout(limit);
    options.signal?.removeEventListener('abort', abort);
  }
}

async function converse(
  connection: Connection,
  options: SessionOptions,
  level: TlsLevel,
): Promise<SmtpSession | SessionFailure> {
  const { hostName, timeouts } = options;
  const greeting = await connection.ask(undefined, timeouts.greetingMs);
  if ('cause' in greeting) return failureOf(greeting, 'Greeting', hostName, true);
  if (greeting.code >= 300) return refusedByReply('Greeting', greeting, hostName);
  let capabilities = await introduce(connection, options);
  if ('ok' in capabilities) return capabilities;
  const tls = await startTls(connection, capabilities, options, level);
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
  return new SmtpSession({
    connection,
    capabilities,
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

/** `undefined` = the session goes on in clear, as the level allows. */
async function startTls(
  connection: Connection,
  capabilities: Capabilities,
  options: SessionOptions,
  level: TlsLevel,
): Promise<SessionTls | SessionFailure | undefined> {
  const { hostName, timeouts } = options;
  if (level === 'Disabled') return undefined;
  if (!capabilities.startTls) {
    if (!requiresTls(level)) return undefined;
    return refusedLocally(
      'StartTls',
      'tls',
      '4.7.4',
      `TLS is required and ${hostName} does not offer STARTTLS`,
    );
  }
  const answer = await connection.ask('STARTTLS', timeouts.startTlsMs);
  if ('cause' in answer) return failureOf(answer, 'StartTls', hostName, true);
  if (answer.code >= 300) {
    if (answer.code >= 400 && answer.code !== 421 && !requiresTls(level)) return undefined;
    return refusedByReply('StartTls', answer, hostName);
  }
  const secure = await connection.upgrade(tlsUpgrade(level, hostName, options.tls.ca), timeouts.startTlsMs);
  if ('cause' in secure) return failureOf(secure, 'StartTls', hostName, true);
  return {
    protocol: secure.getProtocol() ?? '',
    cipher: secure.getCipher().name,
    authorized: secure.authorized,
  };
}
