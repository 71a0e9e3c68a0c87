import type { Origin } from './translation.ts';

/** One line of a configuration: a directive and the rest. */
export interface PowermtaDirective {
  /** In lower case. */
  readonly name: string;
  readonly value: string;
  readonly origin: Origin;
}

/** `<kind name> … </kind>`, or the file itself with kind `''`. */
export interface PowermtaBlock {
  /** In lower case. */
  readonly kind: string;
  readonly name: string;
  readonly origin: Origin;
  readonly directives: PowermtaDirective[];
  readonly blocks: PowermtaBlock[];
}

/**
 * Reads the lines of a PowerMTA configuration. Never throws: a block that is not closed ends with the file, an end that
 * belongs to no block is a directive that nobody knows.
 */
export function readPowermtaFile(text: string, file: string): PowermtaBlock {
  const root = newBlock('', '', { file, line: 1 });
  const open: PowermtaBlock[] = [root];
  for (const [index, line] of text.split('\n').entries()) {
    const origin = { file, line: index + 1 };
    const inner = open.at(-1) ?? root;
    const trimmed = withoutComment(line).trim();
    if (trimmed === '') continue;
    const [, end, begin, name = ''] = /^<(?:\/\s*([\w-]+)|([\w-]+)\s*([^>]*))>$/.exec(trimmed) ?? [];
    if (begin !== undefined) {
      const block = newBlock(begin.toLowerCase(), name.trim(), origin);
      inner.blocks.push(block);
      open.push(block);
    } else if (end !== undefined && open.length > 1 && end.toLowerCase() === inner.kind) open.pop();
    else {
      const [, directive = '', value = ''] = /^(\S+)\s*(.*)$/.exec(trimmed) ?? [];
      inner.directives.push({ name: directive.toLowerCase(), value, origin });
    }
  }
  return root;
}

function newBlock(kind: string, name: string, origin: Origin): PowermtaBlock {
  return { kind, name, origin, directives: [], blocks: [] };
}

/** A `#` inside an expression (`/…#…/`) begins no comment. */
function withoutComment(line: string): string {
  if (/^\s*#/.test(line)) return '';
  return /\s\//.test(line) ? line : line.replace(/\s#.*$/, '');
}
