import type { FieldPath } from './field-path.ts';
import { BOUND_NAMES } from './limit.ts';
import type { Finding } from './problem.ts';
import { ACTION_MEMBERS, type ActionSpec, type ReactionSpec } from './reaction.ts';
import { repeatedValues } from './repeated-values.ts';
import { checkUnion } from './union.ts';

const MATCH_MEMBERS = ['codes', 'enhancedCodes', 'text', 'phases'] as const;

/** What the schema of a reaction cannot say. */
export function checkReaction(reaction: ReactionSpec, path: FieldPath): readonly Finding[] {
  const { match, trigger, actions } = reaction;
  const matchPath = [...path, 'match'];
  const empty = match !== undefined && MATCH_MEMBERS.every((member) => match[member] === undefined);
  return [
    ...(empty
      ? [
          contradiction(
            matchPath,
            'asks for nothing',
            `Name ${MATCH_MEMBERS.join(', ')}, or leave match out to refine a reaction of a wider layer.`,
          ),
        ]
      : []),
    ...repeatedValues(match?.codes?.map(String), [...matchPath, 'codes']),
    ...repeatedValues(match?.enhancedCodes, [...matchPath, 'enhancedCodes']),
    ...repeatedValues(match?.phases, [...matchPath, 'phases']),
    ...repeatedValues(trigger?.per, [...path, 'trigger', 'per']),
    ...(actions ?? []).flatMap((action, index) => checkAction(action, [...path, 'actions', index])),
  ];
}

function checkAction(action: ActionSpec, path: FieldPath): readonly Finding[] {
  const { scale, setLimit } = action;
  const count = typeof scale?.floor === 'number';
  const wrongFloor = scale?.floor !== undefined && count !== (scale.bound === 'Connections');
  const idle = setLimit !== undefined && BOUND_NAMES.every((name) => setLimit[name] === undefined);
  return [
    ...checkUnion(action, ACTION_MEMBERS, path),
    ...repeatedValues(action.suspend?.per, [...path, 'suspend', 'per']),
    ...(wrongFloor
      ? [
          contradiction(
            [...path, 'scale', 'floor'],
            count ? `is a count, but ${scale.bound} is a rate` : 'is a rate, but Connections is a count',
            count ? 'For example: 10/min.' : 'For example: 1.',
          ),
        ]
      : []),
    ...(idle
      ? [contradiction([...path, 'setLimit'], 'changes no bound', `Add one of ${BOUND_NAMES.join(', ')}.`)]
      : []),
  ];
}

function contradiction(path: FieldPath, reason: string, cure: string): Finding {
  return { code: 'SLUICE_FIELD_CONTRADICTION', path, parameters: { reason, cure } };
}
