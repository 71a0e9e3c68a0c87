import { randomFillSync } from 'node:crypto';

/** Random octets that are fetched at once: one system call for each would cost more than all else a message costs. */
const POOL_BYTES = 8192;

const pool = Buffer.allocUnsafe(POOL_BYTES);
let used = POOL_BYTES;

/** A number in [0, 1) with eight random bits, from the system's generator: what a ULID needs for each of its letters. */
export function pooledRandom(): number {
  if (used === POOL_BYTES) {
    randomFillSync(pool);
    used = 0;
  }
  return pool[used++]! / 256;
}
