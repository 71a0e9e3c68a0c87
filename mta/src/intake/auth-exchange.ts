import type { Rejection } from './contract.ts';
import { REFUSALS } from './replies.ts';

/** What the exchange does next: ask the client, check a password, or end. */
export type AuthStep =
  | { readonly kind: 'challenge'; readonly text: string }
  | { readonly kind: 'check'; readonly username: string; readonly password: string }
  | { readonly kind: 'refused'; readonly refusal: Rejection };

const USERNAME_CHALLENGE = Buffer.from('Username:').toString('base64');
const PASSWORD_CHALLENGE = Buffer.from('Password:').toString('base64');

/**
 * The server's side of AUTH PLAIN (RFC 4616) and LOGIN. Pure: given a line, it says what comes next.
 *
 * Example: `new AuthExchange().begin('PLAIN AGFsaWNlAHNlY3JldA==')` → `{ kind: 'check', username: 'alice', password: 'secret' }`
 */
export class AuthExchange {
  #waitsFor: 'plain' | 'username' | 'password' = 'plain';
  #username = '';

  /** The argument of the AUTH command. */
  begin(argument: string): AuthStep {
    const [mechanism = '', initial, ...rest] = argument.split(' ');
    if (rest.length > 0) return refused(REFUSALS.authSyntax);
    // RFC 4954 §4: `=` is an empty initial response.
    const response = initial === '=' ? '' : initial;
    switch (mechanism.toUpperCase()) {
      case 'PLAIN':
        return response === undefined ? { kind: 'challenge', text: '' } : this.respond(response);
      case 'LOGIN':
        this.#waitsFor = 'username';
        return response === undefined
          ? { kind: 'challenge', text: USERNAME_CHALLENGE }
          : this.respond(response);
      default:
        return refused(REFUSALS.authMechanism);
    }
  }

  /** A line that answers a challenge. */
  respond(line: string): AuthStep {
    if (line === '*') return refused(REFUSALS.authCancelled);
    const text = decode(line);
    if (text === undefined) return refused(REFUSALS.authSyntax);
    if (this.#waitsFor === 'username') {
      this.#username = text;
      this.#waitsFor = 'password';
      return { kind: 'challenge', text: PASSWORD_CHALLENGE };
    }
    if (this.#waitsFor === 'password') return { kind: 'check', username: this.#username, password: text };
    const [authorization, username = '', password, ...rest] = text.split('\0');
    if (password === undefined || rest.length > 0 || username === '') return refused(REFUSALS.authSyntax);
    // Acting for somebody else is not offered.
    if (authorization !== '' && authorization !== username) return refused(REFUSALS.authFailed);
    return { kind: 'check', username, password };
  }
}

function decode(base64: string): string | undefined {
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(base64)) return undefined;
  return Buffer.from(base64, 'base64').toString('utf8');
}

function refused(refusal: Rejection): AuthStep {
  return { kind: 'refused', refusal };
}
