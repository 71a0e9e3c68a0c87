import { createHash, timingSafeEqual } from 'node:crypto';

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
