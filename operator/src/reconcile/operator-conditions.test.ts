import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Condition, ResourceStatus } from '@sluice/crds';
import type { WantedCondition } from '../kube/mod.ts';
import { conditionsFor, type Publication } from './operator-conditions.ts';
import type { Programming } from './programming.ts';

const ACCEPTED: Condition = { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'a' };
const INVALID: Condition = { type: 'Accepted', status: 'False', reason: 'Invalid', message: 'b' };
const RESOLVED: Condition = { type: 'ResolvedRefs', status: 'True', reason: 'ResolvedRefs', message: 'c' };
const LOST: Condition = { type: 'ResolvedRefs', status: 'False', reason: 'TargetNotFound', message: 'd' };
const RUNNING: Programming = { type: 'Pods', programmed: 3, total: 3, behind: [] };
const BEHIND: Programming = { type: 'Pods', programmed: 2, total: 3, behind: ['mta-2'] };

function seen(
  conditions: readonly Condition[],
  programming: Programming,
  publication: Publication = { type: 'Published' },
  formHash: string | undefined = 'h',
): readonly string[] {
  const status: ResourceStatus = {
    kind: 'EgressPool',
    name: 'a',
    place: {},
    conditions,
    ...(formHash !== undefined && { formHash }),
  };
  const all = conditionsFor(status, publication, programming);
  return [...all.slice(conditions.length).map(text), `kstatus=${kstatus(all)}`];
}

const text = ({ type, status, reason }: WantedCondition): string => `${type}=${status}/${reason}`;

/** What Helm 4 and Flux make of conditions of the current generation: the rules of sigs.k8s.io/cli-utils for kinds that they do not know. */
function kstatus(conditions: readonly WantedCondition[]): string {
  const is = (type: string) => conditions.find((condition) => condition.type === type)?.status;
  if (is('Reconciling') === 'True') return 'InProgress';
  if (is('Stalled') === 'True') return 'Failed';
  return is('Ready') === undefined || is('Ready') === 'True' ? 'Current' : 'InProgress';
}

test('who waits for a resource waits until pods run it, hears when nothing but a change helps, and does not wait for what nobody knows', () => {
  const well = [ACCEPTED, RESOLVED];
  const published = 'Ready=True/Published';
  assert.deepEqual(seen(well, RUNNING), ['Programmed=True/Programmed', published, 'kstatus=Current']);
  assert.deepEqual(seen(well, BEHIND), [
    'Programmed=False/PodsBehind',
    'Ready=False/PodsBehind',
    'kstatus=InProgress',
  ]);
  for (const [type, reason] of [
    ['NoFeedback', 'NoFeedback'],
    ['Lost', 'FeedbackLost'],
    ['NoPods', 'NoPods'],
  ] as const)
    assert.deepEqual(seen(well, { type }), [`Programmed=Unknown/${reason}`, published, 'kstatus=Current']);
});

test('what is wrong with a resource comes before what pods do, and a form that nobody has is not said to run', () => {
  assert.deepEqual(seen([INVALID, RESOLVED], RUNNING), [
    'Programmed=True/Programmed',
    'Ready=False/Invalid',
    'Stalled=True/Invalid',
    'kstatus=Failed',
  ]);
  assert.deepEqual(seen([ACCEPTED, LOST], BEHIND), [
    'Programmed=False/PodsBehind',
    'Ready=False/TargetNotFound',
    'kstatus=InProgress',
  ]);
  const failed = { type: 'Failed', reason: 'no quota' } as const;
  assert.deepEqual(seen([ACCEPTED, RESOLVED], RUNNING, failed).slice(0, 2), [
    'Programmed=False/NotPublished',
    'Ready=False/NotPublished',
  ]);
});
