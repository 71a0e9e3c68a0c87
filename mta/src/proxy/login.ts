import { createHash, timingSafeEqual } from 'node:crypto';
import type { ProxyUser } from './proxy-options.ts';

/**
 * Users and their passwords; compares in a time that depends neither on where two passwords differ nor on whether there is such a user.
 *
 * Example: `new Login([{ username: 'mta', password: 'secret' }]).passes('mta', 'secret')` → `true`
 */
export class Login {
  readonly #digests: ReadonlyMap<string, Buffer>;

  constructor(users: readonly ProxyUser[]) {
    this.#digests = new Map(users.map(({ username, password }) => [username, digest(password)]));
  }

  /** Nobody has to log in. */
  get open(): boolean {
    return this.#digests.size === 0;
  }

  passes(username: string, password: string): boolean {
    const expected = this.#digests.get(username);
    const given = digest(password);
    return timingSafeEqual(expected ?? NOBODY, given) && expected !== undefined;
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}

const NOBODY = digest('');
