import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TomlLines } from './toml-lines.ts';

const TEXT = `top = 1
["a.b"]
c = 2
text = """
["not a table"]
"""
after = 3
[provider.'x y'.sources."ip-1"]
limit = 4
[[rules.automation]]
regex = "a"
[[rules.automation]]
regex = "b"
dotted.key = 5
`;

test('a message about a file leads to the line of the directive', () => {
  const lines = new TomlLines(TEXT);
  const expected = [
    [['top'], 1],
    [['a.b'], 2],
    [['a.b', 'c'], 3],
    [['a.b', 'after'], 7],
    [['not a table'], 1],
    [['provider', 'x y'], 8],
    [['provider', 'x y', 'sources', 'ip-1', 'limit'], 9],
    [['rules', 'automation', '0', 'regex'], 11],
    [['rules', 'automation', '1', 'regex'], 13],
    [['rules', 'automation', '1', 'dotted', 'key'], 14],
  ] as const;
  for (const [path, line] of expected) assert.equal(lines.of(path), line, path.join('.'));
});

test('what has no line of its own is shown where the thing around it is', () => {
  assert.equal(new TomlLines(TEXT).of(['a.b', 'unheard', 'of']), 2);
});

test('no text keeps the lines from being found', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => new TomlLines(text).of(['a']) >= 1));
});
