import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodFacts } from '@sluice/crds';
import type { FeedbackState } from '../feedback/mod.ts';
import { PodGenerations } from './programming.ts';

const SET = { generation: 10, hash: 'h' };

function known(...pods: readonly Partial<PodFacts>[]): FeedbackState {
  return {
    type: 'Known',
    sessions: pods.map((facts, index) => ({
      session: `s${index}`,
      facts: { host: `mta-${index}`, version: '1', configHash: 'h', state: 'ready', ...facts },
    })),
  };
}
const OWNER = { configSet: 'mail/sluice', withUnnamed: true };
const running = (state: FeedbackState, since: number, owner = OWNER) =>
  new PodGenerations(state, owner, SET).running(since);

test('a resource is programmed when every pod runs a set that has its form, however many changes of others came since', () => {
  const state = known({ generation: 10 }, { generation: 9, configHash: 'g' }, { generation: 10 });
  assert.deepEqual(running(state, 9), { type: 'Pods', programmed: 3, total: 3, behind: [] });
  assert.deepEqual(running(state, 10), { type: 'Pods', programmed: 2, total: 3, behind: ['mta-1'] });
});

test('a pod that joins and takes no mail yet does not make a resource look undone', () => {
  const state = known({ generation: 10 }, { state: 'starting', configHash: '' });
  assert.deepEqual(running(state, 10), { type: 'Pods', programmed: 1, total: 1, behind: [] });
});

test('who runs files, or the set of another operator, does not run this one', () => {
  const state = known({ generation: 10 }, {}, { generation: 10, configHash: 'other' });
  assert.deepEqual(running(state, 1), { type: 'Pods', programmed: 1, total: 3, behind: ['mta-1', 'mta-2'] });
});

test('workers of one pod are one pod, which runs it when all of them do', () => {
  const state = known({ host: 'mta', generation: 10 }, { host: 'mta', generation: 9 });
  assert.deepEqual(running(state, 10), { type: 'Pods', programmed: 0, total: 1, behind: ['mta'] });
});

test('a hundred pods that are behind are a short message', () => {
  const state = known(...Array.from({ length: 100 }, () => ({ generation: 1 })));
  assert.deepEqual(running(state, 10), {
    type: 'Pods',
    programmed: 0,
    total: 100,
    behind: ['mta-0', 'mta-1', 'mta-10', '97 more'],
  });
});

test('what is not known is not claimed', () => {
  assert.equal(running({ type: 'None' }, 1).type, 'NoFeedback');
  assert.equal(running({ type: 'Waiting' }, 1).type, 'Waiting');
  assert.equal(running({ type: 'Lost', reason: 'x' }, 1).type, 'Lost');
  assert.equal(running(known(), 1).type, 'NoPods');
  assert.equal(running(known({ state: 'starting' }), 1).type, 'NoPods');
});

test('pods of another namespace or release on the same NATS do not hold this one up', () => {
  const state = known(
    { generation: 10, configSet: 'mail/sluice' },
    { generation: 3, configSet: 'other/sluice' },
    { generation: 3 },
  );
  assert.deepEqual(running(state, 10), { type: 'Pods', programmed: 1, total: 2, behind: ['mta-2'] });
  const strict = { ...OWNER, withUnnamed: false };
  assert.deepEqual(running(state, 10, strict), { type: 'Pods', programmed: 1, total: 1, behind: [] });
});
