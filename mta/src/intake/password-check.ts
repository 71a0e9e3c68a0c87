import { createHash, timingSafeEqual } from 'node:crypto';
import type { AuthUser } from './listener-options.ts';

/**
 * Compares with a known password in a time that depends neither on where they differ nor on how long they are.
 *
 * Example: `{ username: 'alice', tenant: 'acme', checkPassword: passwordCheck(secret) }`
 */
export function passwordCheck(secret: string): (password: string) => boolean {
  const expected = digest(secret);
  return (password) => timingSafeEqual(expected, digest(password));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text, 'utf8').digest();
}

/**
 * The user whose name and password these are. An unknown name costs what a known one costs: `checkNobody` is asked then.
 */
export async function authenticate(
  findUser: (username: string) => AuthUser | undefined,
  checkNobody: (password: string) => boolean,
  username: string,
  password: string,
): Promise<AuthUser | undefined> {
  const user = findUser(username);
  const passed = await (user?.checkPassword ?? checkNobody)(password);
  return passed ? user : undefined;
}
