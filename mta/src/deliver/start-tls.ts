import type { TLSSocket } from 'node:tls';
import type { TlsLevel } from '@sluice/crds';
import type { Capabilities } from './capabilities.ts';
import { certificateFault } from './certificate-check.ts';
import type { ClientCertificate } from './client-certificates.ts';
import type { ClientState } from './client-state.ts';
import type { Connection } from './connection.ts';
import type { SessionOptions, SessionTls } from './session.ts';
import { failureOf, refusedByReply, refusedLocally, type SessionFailure } from './session-failure.ts';
import { requiresTls, resumptionKey, tlsUpgrade } from './tls-level.ts';

/**
 * STARTTLS as the level asks (RFC 3207), with the handshake. Only `Verify` looks at the certificate: mailbox providers' MX certificates often
 * name another host, and a refused handshake would send the mail in clear or not at all (RFC 7435, opportunistic security).
 *
 * @returns `undefined` = the session goes on in clear, as the level allows
 */
export async function startTls(
  connection: Connection,
  capabilities: Capabilities,
  options: SessionOptions,
  level: TlsLevel,
  state: ClientState,
): Promise<SessionTls | SessionFailure | undefined> {
  const { hostName, timeouts } = options;
  if (level === 'Disabled') return undefined;
  if (!capabilities.startTls) {
    if (!requiresTls(level)) return undefined;
    const text = `TLS is required and ${hostName} does not offer STARTTLS`;
    return refusedLocally('StartTls', 'tls', '4.7.4', text);
  }
  const certificate = certificateOf(options, state);
  if (options.tls.clientCertificateName !== undefined && certificate === undefined) {
    const text = `sluice.yaml has no certificate "${options.tls.clientCertificateName}"`;
    return refusedLocally('StartTls', 'local', '4.3.5', text, false);
  }
  const answer = await connection.ask('STARTTLS', timeouts.startTlsMs);
  if ('cause' in answer) return failureOf(answer, 'StartTls', hostName, true);
  if (answer.code >= 300) {
    if (answer.code >= 400 && answer.code !== 421 && !requiresTls(level)) return undefined;
    return refusedByReply('StartTls', answer, hostName);
  }
  const key = resumptionKey(options, certificate);
  const resumable = state.tlsSessions.get(key);
  const tickets = new Tickets(state, key);
  const upgrade = tlsUpgrade(hostName, options.tls.ca, certificate, resumable?.session);
  const secure = await connection.upgrade(upgrade, timeouts.startTlsMs, (ticket) => tickets.add(ticket));
  if ('cause' in secure) {
    // It may be the resumption that the host cannot do.
    state.tlsSessions.forget(key);
    return failureOf(secure, 'StartTls', hostName, true);
  }
  const resumed = secure.isSessionReused() ? resumable : undefined;
  const fault = resumed === undefined ? certificateFault(secure, hostName) : undefined;
  const verified = resumed?.verified ?? fault === undefined;
  if (level === 'Verify' && !verified) {
    connection.reset({ cause: 'tls', detail: fault ?? 'the certificate was not verified' });
    return failureOf(connection.end ?? NOT_VERIFIED, 'StartTls', hostName, true);
  }
  tickets.proved(verified, resumed?.provedAtMs ?? state.nowMs());
  return sessionTls(secure, verified, resumed !== undefined);
}

/** A TLS session is at hand that the next handshake would resume. */
export function mayResume(options: SessionOptions, state: ClientState): boolean {
  if (options.tls.level === 'Disabled') return false;
  return state.tlsSessions.get(resumptionKey(options, certificateOf(options, state))) !== undefined;
}

function certificateOf({ tls }: SessionOptions, state: ClientState): ClientCertificate | undefined {
  return tls.clientCertificateName === undefined
    ? undefined
    : state.findCertificate(tls.clientCertificateName);
}

function sessionTls(secure: TLSSocket, verified: boolean, resumed: boolean): SessionTls {
  return { protocol: secure.getProtocol() ?? '', cipher: secure.getCipher().name, verified, resumed };
}

const NOT_VERIFIED = { cause: 'tls', detail: 'the certificate was not verified' } as const;

/** Tickets of one connection. They may come before the certificate was looked at (TLS 1.2) and later at any time (TLS 1.3). */
class Tickets {
  readonly #state: ClientState;
  readonly #key: string;
  #early: Buffer | undefined;
  #proof: { readonly verified: boolean; readonly provedAtMs: number } | undefined;

  constructor(state: ClientState, key: string) {
    this.#state = state;
    this.#key = key;
  }

  add(session: Buffer): void {
    if (this.#proof === undefined) this.#early = session;
    else this.#state.tlsSessions.set(this.#key, { session, ...this.#proof });
  }

  proved(verified: boolean, provedAtMs: number): void {
    this.#proof = { verified, provedAtMs };
    if (this.#early !== undefined) this.add(this.#early);
  }
}
