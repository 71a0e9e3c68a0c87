import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EffectiveReaction, ReactionMatch } from '@sluice/crds';
import { ExpressionStore } from './expression.ts';
import { compileReactions, type JudgedReply } from './reaction-matcher.ts';

const REPLY: JudgedReply = {
  code: 421,
  enhanced: '4.7.28',
  text: 'Gmail has detected an UNUSUAL RATE of unsolicited mail from your IP address 192.0.2.10',
  phase: 'FinalDot',
};

function rule(name: string, match: ReactionMatch): EffectiveReaction {
  return { name, match, actions: [] };
}

function hits(match: ReactionMatch, reply: Partial<JudgedReply> = {}): boolean {
  const { matcher, problems } = compileReactions([rule('one', match)]);
  assert.deepEqual(problems, []);
  return matcher.match({ ...REPLY, ...reply }).length === 1;
}

test('a reaction hits only where all of its members fit: none acts on a reply that it does not mean', () => {
  const match: ReactionMatch = {
    codes: [450, 421],
    enhancedCodes: ['4.7.28'],
    text: 'unusual rate',
    phases: ['Data', 'FinalDot'],
  };
  assert.ok(hits(match));
  assert.ok(!hits(match, { code: 451 }));
  assert.ok(!hits(match, { enhanced: '4.7.2' }));
  assert.ok(!hits(match, { enhanced: '' }));
  assert.ok(!hits(match, { text: 'unusual  rate' }));
  assert.ok(!hits(match, { phase: 'Rcpt' }));
});

test('an absent member asks for nothing, and each member works alone', () => {
  assert.ok(hits({ codes: [421] }));
  assert.ok(hits({ enhancedCodes: ['4.7.28'] }));
  assert.ok(hits({ text: '192\\.0\\.2\\.[0-9]+$' }));
  assert.ok(hits({ phases: ['FinalDot'] }));
  assert.ok(!hits({ enhancedCodes: ['4.7'] }), 'enhanced codes are compared whole');
});

test('expressions are unanchored and ignore case, also beyond ASCII', () => {
  assert.ok(hits({ text: 'UNUSUAL rate' }));
  assert.ok(hits({ text: 'trop de connexions, réessayez' }, { text: '421 TROP DE CONNEXIONS, RÉESSAYEZ' }));
  assert.ok(!hits({ text: '^unusual' }));
});

test('mail that was taken is never held against its sender, whatever the text says', () => {
  assert.ok(!hits({ text: 'unusual rate' }, { code: 250, enhanced: '2.0.0' }));
  assert.ok(!hits({ phases: ['FinalDot'] }, { code: 250 }));
});

test('several reactions hit at once, in the order of the policy, whatever else the reply index knows', () => {
  const rules = [
    rule('any-text', { text: 'rate' }),
    rule('other-code', { codes: [550] }),
    rule('code', { codes: [421] }),
    rule('any-phase', { phases: ['FinalDot'] }),
  ];
  const { matcher } = compileReactions(rules);
  const names = (reply: JudgedReply) => matcher.match(reply).map(({ name }) => name);
  assert.deepEqual(names(REPLY), ['any-text', 'code', 'any-phase']);
  assert.deepEqual(names({ ...REPLY, code: 550 }), ['any-text', 'other-code', 'any-phase']);
  assert.deepEqual(names({ ...REPLY, phase: 'Mail', text: '' }), ['code']);
  assert.equal(matcher.match(REPLY)[1], rules[2], 'the very object that was given');
});

test('one bad expression is named with its place; the other reactions are in force', () => {
  const { matcher, problems } = compileReactions([
    rule('look-ahead', { text: 'a(?=b)' }),
    rule('open-class', { text: 'blocked [0-9' }),
    rule('open-group', { text: 'too many (con|mail' }),
    rule('twice', { text: 'rate**' }),
    rule('escape', { text: 'a\\y' }),
    rule('good', { text: 'unusual' }),
  ]);
  assert.deepEqual(
    problems.map(({ reaction, column, reason }) => `${reaction} ${column} ${reason}`),
    [
      'look-ahead 2 invalid or unsupported Perl syntax',
      'open-class 9 missing closing ]',
      'open-group 10 missing closing )',
      'twice 5 invalid nested repetition operator',
      'escape 2 invalid escape sequence',
    ],
  );
  assert.deepEqual(
    matcher.match(REPLY).map(({ name }) => name),
    ['good'],
  );
});

test('an expression made to be slow does not stop the mail', () => {
  const { matcher } = compileReactions([rule('slow', { text: '(a+)+$' })]);
  const startMs = performance.now();
  assert.equal(matcher.match({ ...REPLY, text: `${'a'.repeat(1_000)}!` }).length, 0);
  assert.ok(performance.now() - startMs < 1_000, 'backtracking would take 2^1000 steps');
});

test('a thousand destinations that inherit a reaction do not each compile it', () => {
  const expressions = new ExpressionStore();
  assert.equal(expressions.compile('unusual rate'), expressions.compile('unusual rate'));
});
