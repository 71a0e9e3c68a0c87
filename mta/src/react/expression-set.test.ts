import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EffectiveReaction } from '@sluice/crds';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { ExpressionSet } from './expression-set.ts';
import { compileReactions } from './reaction-matcher.ts';

const atom = fc.constantFrom(
  ...[
    'a',
    'b',
    'K',
    's',
    ' ',
    '4',
    '\\.',
    '.',
    '[ab]',
    '[^a]',
    '[[:alpha:]]',
    '\\d',
    '\\b',
    '\\B',
    '^',
    '$',
    '\\pL',
    'é',
  ],
  ...['(a|b)', '(?:ks)', '(a|)', '(?i)', '(?-i)', '(?s)', '\\x41', '|', '(^b|a$)', '\\QaK\\E'],
);
const suffix = fc.constantFrom('', '', '', '*', '+', '?', '{2}', '{0,2}', '*?');
const expression = fc
  .array(fc.tuple(atom, suffix), { minLength: 1, maxLength: 5 })
  .map((parts) => parts.map(([one, two]) => one + two).join(''))
  .filter((source) => {
    try {
      RE2JS.compile(source, RE2JS.CASE_INSENSITIVE);
      return true;
    } catch {
      return false;
    }
  });
const text = fc
  .array(fc.constantFrom(...'abABksKS 4.\néÉ\u212a\u017f😀-'), { maxLength: 12 })
  .map((chars) => chars.join(''));

test('one pass finds what each expression finds by itself: no reaction is lost to speed', () => {
  let hits = 0;
  fc.assert(
    fc.property(
      fc.array(expression, { minLength: 1, maxLength: 8 }),
      fc.array(text, { minLength: 1, maxLength: 6 }),
      (sources, texts) => {
        const set = new ExpressionSet(sources);
        const alone = sources.map((source) => RE2JS.compile(source, RE2JS.CASE_INSENSITIVE));
        for (const one of texts) {
          const found = set.candidates(one);
          for (const [index, re2] of alone.entries()) {
            if (!re2.test(one)) continue;
            hits++;
            assert.ok(found.has(index), JSON.stringify({ sources, index, one }));
          }
        }
      },
    ),
    { numRuns: 1_500 },
  );
  assert.ok(hits > 1_000, `${hits} matches are too few to say anything`);
});

test('hundreds of expressions without a literal are found at their places, with code and phase', () => {
  const rules = Array.from(
    { length: 350 },
    (_, index): EffectiveReaction => ({
      name: `r${index}`,
      match: {
        text: `(blocked|listed) (by|on) (list${index}|rbl${index})$`,
        ...(index % 2 === 0 ? { codes: [550] } : {}),
      },
      actions: [],
    }),
  );
  const { matcher, problems } = compileReactions(rules);
  assert.deepEqual(problems, []);
  const names = (reply: string, code = 550) =>
    matcher.match({ code, enhanced: '', text: reply, phase: 'Mail' }).map(({ name }) => name);
  assert.deepEqual(names('Your address is LISTED on rbl7'), ['r7']);
  assert.deepEqual(names('blocked by list348'), ['r348']);
  assert.deepEqual(names('blocked by list348', 421), []);
  assert.deepEqual(names('blocked by list349', 421), ['r349']);
  assert.deepEqual(names('blocked by nobody'), []);
});

test('expressions that are too large together are run one by one', () => {
  const sources = Array.from({ length: 30 }, (_, index) =>
    `(a|b){900}[${index}-9x]`.replace(/\[\d+-9x\]/, '(x|y)'),
  );
  const found = new ExpressionSet(sources).candidates(`${'a'.repeat(900)}x`);
  assert.equal(found.size, 30);
});
