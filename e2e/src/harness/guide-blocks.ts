import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/** The code blocks of a guide that begin with `# file name`, by that name. */
export function guideBlocks(guide: string): ReadonlyMap<string, string> {
  const markdown = readFileSync(new URL(`../../../docs/guides/${guide}`, import.meta.url), 'utf8');
  const blocks = [...markdown.matchAll(/^```(?:yaml|haproxy|dante|nft)\n# (.+)\n([\s\S]*?)^```$/gm)];
  return new Map(blocks.map(([, file = '', text = '']) => [file, text]));
}

/** Replaces words of an example by those of a test; each must be there. */
export function withWords(text: string, words: Readonly<Record<string, string>>): string {
  return Object.entries(words).reduce((changed, [word, other]) => {
    assert.ok(changed.includes(word), `the example says nothing of ${word}`);
    return changed.replaceAll(word, other);
  }, text);
}
