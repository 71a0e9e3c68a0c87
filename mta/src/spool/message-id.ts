import { createHash, randomFillSync } from 'node:crypto';

/** Crockford's base 32, as ULIDs use it. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** 48 bits of time. */
const TIME_CHARACTERS = 10;
/** The first 55 of the 80 random bits stay the same within a millisecond … */
const FIXED_CHARACTERS = 11;
/** … and the last 25 are counted up. */
const COUNTED_CHARACTERS = 5;
const COUNTED_END = 2 ** (5 * COUNTED_CHARACTERS);
/** Random bytes of one millisecond: one for each fixed character, four for the number that counting starts from. */
const DRAW_BYTES = FIXED_CHARACTERS + 4;
/** Random bytes are drawn in bulk: one call for so many milliseconds. */
const DRAWS = 256;

/**
 * Makes message ids: ULIDs (48 bits of time, 80 random ones) that rise strictly, also within a millisecond and when the clock is set back.
 * `ulid` from npm costs several times as much (docs/adr/0003-sqlite-spool.md).
 *
 * Example: `const newId = messageIds(randomFillSync); newId(Date.now())` → `01KAXY0S3E8M0N8Q7V6Y5ZJ4TC`
 */
export function messageIds(fillRandomly: (bytes: Buffer) => void): (nowMs: number) => string {
  const drawn = Buffer.alloc(DRAW_BYTES * DRAWS);
  let used = drawn.length;
  let lastMs = -1;
  let prefix = '';
  let counter = 0;

  function begin(timeMs: number): void {
    if (used === drawn.length) {
      fillRandomly(drawn);
      used = 0;
    }
    lastMs = timeMs;
    prefix = characters(timeMs, TIME_CHARACTERS);
    for (let index = 0; index < FIXED_CHARACTERS; index++) prefix += ALPHABET[drawn[used + index]! & 31];
    // In the lower half, so that there is always room to count up.
    counter = drawn.readUInt32LE(used + FIXED_CHARACTERS) % (COUNTED_END / 2);
    used += DRAW_BYTES;
  }

  return (nowMs) => {
    if (nowMs >= lastMs + 1) begin(Math.floor(nowMs));
    else if (++counter === COUNTED_END) begin(lastMs + 1);
    return prefix + characters(counter, COUNTED_CHARACTERS);
  };
}

/** A new message id of this process. */
export const newMessageId = messageIds(randomFillSync);

/**
 * A message id that follows from its origin: whoever makes the message again gives it the same one.
 *
 * Example: `derivedMessageId(atMs, 'report on 01K… 0 failed:0')`
 */
export function derivedMessageId(timeMs: number, origin: string): string {
  const hash = createHash('sha256').update(origin).digest();
  let id = characters(Math.floor(timeMs), TIME_CHARACTERS);
  for (let index = 0; index < FIXED_CHARACTERS + COUNTED_CHARACTERS; index++)
    id += ALPHABET[hash[index]! & 31];
  return id;
}

function characters(value: number, count: number): string {
  let rest = value;
  let text = '';
  for (let index = 0; index < count; index++) {
    text = ALPHABET[rest % 32] + text;
    rest = Math.floor(rest / 32);
  }
  return text;
}
