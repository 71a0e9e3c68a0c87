import type { Capabilities } from './capabilities.ts';
import type { Connection } from './connection.ts';
import type { SessionOptions } from './session.ts';
import { failureOf, refusedByReply, refusedLocally, type SessionFailure } from './session-failure.ts';

/** Loopback never leaves the machine: a relay beside us may be given a password in clear. */
export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/i.test(address);
}

/**
 * AUTH to a smart host (RFC 4954) with PLAIN (RFC 4616), else LOGIN. Credentials are never sent in clear, except to a loopback address.
 * A refusal is transient: a wrong password is our mistake and must not bounce the queue.
 */
export async function authenticate(
  connection: Connection,
  capabilities: Capabilities,
  options: SessionOptions,
): Promise<SessionFailure | undefined> {
  const { auth, hostName, timeouts } = options;
  if (auth === undefined) return undefined;
  if (!connection.encrypted && !isLoopback(options.address)) {
    return refusedLocally(
      'Auth',
      'tls',
      '4.7.11',
      `no TLS with ${hostName}: the password is not sent in clear`,
    );
  }
  const steps = stepsOf(auth, capabilities);
  if (steps === undefined) {
    const offered = [...capabilities.auth].join(' ') || 'no AUTH at all';
    return refusedLocally(
      'Auth',
      'protocol',
      '4.7.4',
      `${hostName} offers neither AUTH PLAIN nor LOGIN (${offered})`,
    );
  }
  for (const [index, step] of steps.entries()) {
    const answer = await connection.ask(step, timeouts.authMs);
    if ('cause' in answer) return failureOf(answer, 'Auth', hostName, true);
    const last = index === steps.length - 1;
    if (last ? answer.code === 235 : answer.code === 334) continue;
    // RFC 4954 §4: an asterisk takes an exchange back that we do not follow.
    if (answer.code === 334) await connection.ask('*', timeouts.authMs);
    return refusedByReply('Auth', answer, hostName);
  }
  return undefined;
}

function stepsOf(
  auth: { readonly username: string; readonly password: string },
  capabilities: Capabilities,
): readonly string[] | undefined {
  const { username, password } = auth;
  if (capabilities.auth.has('PLAIN')) return [`AUTH PLAIN ${base64(`\0${username}\0${password}`)}`];
  if (capabilities.auth.has('LOGIN')) return ['AUTH LOGIN', base64(username), base64(password)];
  return undefined;
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
