import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerCollector } from './answer-collector.ts';
import type { AnswerPart } from './pod-question.ts';

const part = (session: string, fields: Partial<AnswerPart> = {}): AnswerPart => ({
  session,
  host: `host-${session}`,
  part: 0,
  parts: 1,
  ...fields,
});

const row = (domain: string) => ({
  pool: '',
  site: '',
  tenant: '',
  domain,
  ready: 1,
  asleep: 0,
  waiting: 0,
  inFlight: 0,
  recipients: 1,
  oldestAcceptedAtMs: 0,
  nextDueAtMs: 0,
  lastReply: '',
  lastReplyAtMs: 0,
});

test('a pod that others know and that says nothing is named, never silently left out', () => {
  const collector = new AnswerCollector();
  assert.equal(collector.complete, false);
  collector.add(part('a', { living: ['a', 'b', 'c'] }));
  collector.add(part('b', { living: ['a', 'b'] }));
  assert.equal(collector.complete, false);
  const { answers, silent } = collector.collected();
  assert.deepEqual(
    answers.map(({ session }) => session),
    ['a', 'b'],
  );
  assert.deepEqual(silent, ['c']);
  collector.add(part('c', { living: ['c'] }));
  assert.equal(collector.complete, true, 'nobody waits for the end of the time');
});

test('half a listing is no listing: its pod counts as silent', () => {
  const collector = new AnswerCollector();
  collector.add(part('a', { part: 1, parts: 2, living: ['a'], rows: [row('y')], total: 2 }));
  assert.equal(collector.complete, false);
  assert.deepEqual(collector.collected(), { answers: [], silent: ['a'] });
  collector.add(part('a', { part: 0, parts: 2, living: ['a'], rows: [row('x')], total: 2 }));
  collector.add(part('a', { part: 0, parts: 2, living: ['a'], rows: [row('x')], total: 2 }));
  assert.equal(collector.complete, true);
  assert.deepEqual(
    collector.collected().answers[0]?.rows.map(({ domain }) => domain),
    ['x', 'y'],
  );
});

test('while some pod does not know who lives, others may still answer', () => {
  const collector = new AnswerCollector();
  collector.add(part('a'));
  assert.equal(collector.complete, false);
  assert.deepEqual(collector.collected().silent, []);
});
