import type { MessageBody } from '../spool/mod.ts';

const LF = 0x0a;
const CR = 0x0d;
/** Octets below this may be NUL, LF or CR; all others are skipped sixteen or four at a time. */
const FOUR_PLAIN = 0x0e0e0e0e;
const FOUR_TOP_BITS = 0x80808080 | 0;

/**
 * Whether a body holds what some servers take for the end of a line or skip: a CR or LF that stands alone, or a NUL. With a dot
 * behind it the next server may see the end of the message there and take the rest for commands (CVE-2023-51764 and its kin), so such a
 * body is sent to nobody. Intake refuses it already; this is the last gate, for whatever else may write into the spool.
 *
 * About 0.3 ns an octet.
 */
export function isDangerous(body: MessageBody): boolean {
  let afterCr = false;
  for (const chunk of body) {
    const { length } = chunk;
    const misaligned = chunk.byteOffset & 3;
    const words = new Int32Array(chunk.buffer, chunk.byteOffset - misaligned, (length + misaligned) >> 2);
    const lastFour = words.length - 4;
    let index = 0;
    if (afterCr && length > 0) {
      if (chunk[0] !== LF) return true;
      afterCr = false;
      index = 1;
    }
    while (index < length) {
      if (((index + misaligned) & 3) === 0) {
        let word = (index + misaligned) >> 2;
        for (; word <= lastFour; word += 4) {
          const a = words[word]!;
          const b = words[word + 1]!;
          const c = words[word + 2]!;
          const d = words[word + 3]!;
          const mayBeEnds =
            ((a - FOUR_PLAIN) & ~a) |
            ((b - FOUR_PLAIN) & ~b) |
            ((c - FOUR_PLAIN) & ~c) |
            ((d - FOUR_PLAIN) & ~d);
          if ((mayBeEnds & FOUR_TOP_BITS) !== 0) break;
        }
        for (; word < words.length; word++) {
          const four = words[word]!;
          if (((four - FOUR_PLAIN) & ~four & FOUR_TOP_BITS) !== 0) break;
        }
        index = (word << 2) - misaligned;
      }
      // One by one to the next word, which a CRLF may lie across.
      const end = Math.min(length, index + 4 - ((index + misaligned) & 3));
      for (; index < end; index++) {
        const octet = chunk[index]!;
        if (octet > CR) continue;
        if (octet === CR) {
          if (index + 1 === length) afterCr = true;
          else if (chunk[++index] !== LF) return true;
        } else if (octet === LF || octet === 0) return true;
      }
    }
  }
  return afterCr;
}
