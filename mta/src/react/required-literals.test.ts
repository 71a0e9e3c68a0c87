import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { foldCase, requiredLiterals } from './required-literals.ts';

test('expressions as people write them are found by a plain search first', () => {
  const cases = {
    'unusual rate': 'unusual rate',
    '\\[(TSS?04)\\] Messages? from': '] message',
    'Too many connections|slow down': 'too many connections or slow down',
    'many|[0-9]+|slow': '',
    'many|': '',
    '(IPTS|TSS)04': '04',
    'block list \\(S3150\\)': 'block list (s3150)',
    'rate limited.*IP reputation': 'ip reputation',
    'a{2,3}bcd': 'bcd',
    'colou?r': 'colo',
    'xy[]a]zzz': 'zzz',
    '[[:alpha:]]]b': ']b',
    'x(a|b(c|[)]))yy': 'yy',
    'ab+cd': 'ab',
    '\\bword\\b': 'word',
    'caf\u00e9 au': 'caf',
    '\\Qa|b\\E': '',
    '\\x{41}bc': '',
    '(?i)sale': 'sale',
    'sale+(?-i)?t': '',
    'OFR[_0-9]+': 'ofr',
  };
  for (const [expression, literal] of Object.entries(cases))
    assert.equal(requiredLiterals(expression).join(' or '), literal, expression);
});

test('a reply that matches is never lost to the plain search', () => {
  const atom = fc.constantFrom(
    ...[
      'a',
      'b',
      'K',
      's',
      ' ',
      '4',
      '\\.',
      '\\[',
      '.',
      '[ab]',
      '[^a]',
      '[]k]',
      '[[:alpha:]]',
      '\\d',
      '\\b',
      '^',
      '$',
    ],
    ...[
      '(a|b)',
      '(?:ks)',
      '(s[)]b)',
      '(?i)',
      '(?-i)',
      '(?s)',
      '\\x41',
      '\\pL',
      '\\Qa|\\E',
      '\u00e9',
      '{',
      '}',
      ']',
      '|',
    ],
  );
  const suffix = fc.constantFrom('', '', '', '*', '+', '?', '{0}', '{2}', '{0,2}', '*?', '??');
  const expression = fc
    .array(fc.tuple(atom, suffix), { maxLength: 6 })
    .map((parts) => parts.map(([one, two]) => one + two).join(''));
  const text = fc
    .array(fc.constantFrom(...'abABksKS 4.[]{}|e\u00e9\u00c9\u212a\u017f\u0130)'), { maxLength: 12 })
    .map((chars) => chars.join(''));
  let matched = 0;
  fc.assert(
    fc.property(expression, fc.array(text, { minLength: 1, maxLength: 8 }), (source, texts) => {
      let re2: RE2JS;
      try {
        re2 = RE2JS.compile(source, RE2JS.CASE_INSENSITIVE);
      } catch {
        return;
      }
      const literals = requiredLiterals(source);
      for (const one of texts) {
        if (!re2.test(one)) continue;
        if (literals.length === 0) continue;
        matched++;
        assert.ok(
          literals.some((literal) => foldCase(one).includes(literal)),
          JSON.stringify({ source, one, literals }),
        );
      }
    }),
    { numRuns: 3_000 },
  );
  assert.ok(matched > 100, `${matched} matches with a literal are too few to say anything`);
});
