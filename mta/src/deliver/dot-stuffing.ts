const DOT = 0x2e;
const LF = 0x0a;

/**
 * Doubles every dot at the start of a line (RFC 5321 §4.5.2). Returns the block itself when there is none, which is nearly always;
 * otherwise a copy. Whether the block starts on a new line is the caller's knowledge: see {@link endsLine}.
 *
 * Example: `stuffed(Buffer.from('.a\r\n.b'), true)` → `..a\r\n..b`
 */
export function stuffed(block: Buffer, atLineStart: boolean): Buffer {
  const first = atLineStart && block[0] === DOT ? 0 : nextDot(block, 0);
  if (first === -1) return block;
  let dots = 0;
  for (let dot = first; dot !== -1; dot = nextDot(block, dot)) dots++;
  const copy = Buffer.allocUnsafe(block.length + dots);
  let from = 0;
  let to = 0;
  for (let dot = first; dot !== -1; dot = nextDot(block, dot)) {
    to += block.copy(copy, to, from, dot + 1);
    from = dot;
  }
  block.copy(copy, to, from);
  return copy;
}

/** Whether what follows the block stands at the start of a line; an empty block changes nothing. */
export function endsLine(block: Buffer, atLineStart: boolean): boolean {
  return block.length === 0 ? atLineStart : block[block.length - 1] === LF;
}

/** Position of the next dot after `from` that starts a line, or -1. */
function nextDot(block: Buffer, from: number): number {
  const lineEnd = block.indexOf('\n.', from, 'latin1');
  return lineEnd === -1 ? -1 : lineEnd + 1;
}
