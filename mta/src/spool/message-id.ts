import { randomFillSync } from 'node:crypto';

/** Crockford's base 32, as ULIDs use it. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const TIME_CHARACTERS = 10;
const RANDOM_CHARACTERS = 16;
/** Random bytes are drawn in bulk: one call for so many ids. */
const IDS_PER_DRAW = 256;

const pool = Buffer.alloc(RANDOM_CHARACTERS * IDS_PER_DRAW);
let used = pool.length;
let lastTimeMs = -1;
let lastTime = '';

/**
 * A new message id: a ULID, 10 characters of time and 16 random ones (80 bits). Ids of one millisecond are not ordered.
 * `ulid` from npm asks for random bytes character by character and costs 20 times as much (ADR 0003).
 *
 * Example: `newMessageId(Date.now())` → `01KAXY0S3E8M0N8Q7V6Y5ZJ4TC`
 */
export function newMessageId(nowMs: number): string {
  const timeMs = Math.floor(nowMs);
  if (timeMs !== lastTimeMs) {
    lastTimeMs = timeMs;
    lastTime = timeCharacters(timeMs);
  }
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  let id = lastTime;
  for (let index = 0; index < RANDOM_CHARACTERS; index++) id += ALPHABET[(pool[used + index] ?? 0) & 31];
  used += RANDOM_CHARACTERS;
  return id;
}

function timeCharacters(timeMs: number): string {
  let rest = timeMs;
  let characters = '';
  for (let index = 0; index < TIME_CHARACTERS; index++) {
    characters = ALPHABET[rest % 32] + characters;
    rest = Math.floor(rest / 32);
  }
  return characters;
}
