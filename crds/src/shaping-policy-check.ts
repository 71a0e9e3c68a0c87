import type { LimitField } from './effective-policy.ts';
import type { FieldPath } from './field-path.ts';
import { BOUND_NAMES, type LimitSpec, type WhenSpec } from './limit.ts';
import type { Finding } from './problem.ts';
import { checkReaction } from './reaction-check.ts';
import { repeatedNames, repeatedValues } from './repeated-values.ts';
import type { LayerSpec, ShapingPolicy } from './shaping-policy.ts';
import { whenFields } from './when.ts';

const WHEN_LISTS = ['pools', 'sources', 'groups', 'domains', 'tenants', 'campaigns', 'classes'] as const;
const MATCH_LISTS = ['domains', 'domainSuffixes', 'mxSuffixes'] as const;

/** What the schema of a ShapingPolicy cannot say. */
export function checkShapingPolicy(policy: ShapingPolicy): readonly Finding[] {
  const { targetRefs, destinations } = policy.spec;
  return [
    ...repeatedNames(targetRefs, ['spec', 'targetRefs']),
    ...checkLayer(policy.spec.default, ['spec', 'default']),
    ...repeatedNames(destinations, ['spec', 'destinations']),
    ...(destinations ?? []).flatMap((destination, index) => {
      const path = ['spec', 'destinations', index];
      const { match } = destination;
      const empty = match !== undefined && MATCH_LISTS.every((list) => match[list] === undefined);
      return [
        ...(empty
          ? [
              contradiction(
                [...path, 'match'],
                'matches nothing',
                'Name domains, domainSuffixes or mxSuffixes, or leave match out to refine a destination of another policy.',
              ),
            ]
          : []),
        ...MATCH_LISTS.flatMap((list) => repeatedValues(match?.[list], [...path, 'match', list])),
        ...checkLayer(destination, path),
      ];
    }),
  ];
}

function checkLayer(layer: LayerSpec | undefined, path: FieldPath): readonly Finding[] {
  return [
    ...repeatedNames(layer?.limits, [...path, 'limits']),
    ...(layer?.limits ?? []).flatMap((limit, index) => checkLimit(limit, [...path, 'limits', index])),
    ...repeatedNames(layer?.reactions, [...path, 'reactions']),
    ...(layer?.reactions ?? []).flatMap((reaction, index) =>
      checkReaction(reaction, [...path, 'reactions', index]),
    ),
  ];
}

function checkLimit(limit: LimitSpec, path: FieldPath): readonly Finding[] {
  return [
    ...repeatedValues(limit.per, [...path, 'per']),
    ...checkWhen(limit.when, limit.per, [...path, 'when']),
    ...repeatedNames(limit.overrides, [...path, 'overrides']),
    ...(limit.overrides ?? []).flatMap((override, index) => {
      const at = [...path, 'overrides', index];
      const states = BOUND_NAMES.some((name) => override[name] !== undefined);
      return [
        ...(states ? [] : [contradiction(at, 'changes no bound', `Add one of ${BOUND_NAMES.join(', ')}.`)]),
        ...checkWhen(override.when, limit.per, [...at, 'when']),
      ];
    }),
  ];
}

/**
 * A condition may only ask about what the counter is kept for: else one counter would have two bounds at once.
 * Where `per` is another layer's, `compile` looks at that one.
 */
function checkWhen(
  when: WhenSpec | undefined,
  per: readonly LimitField[] | undefined,
  path: FieldPath,
): readonly Finding[] {
  if (when === undefined) return [];
  const asked = whenFields(when);
  if (asked.length === 0) {
    return [
      contradiction(
        path,
        'asks for nothing',
        'Name pools, sources, groups, domains, tenants, campaigns or classes.',
      ),
    ];
  }
  const repeated = WHEN_LISTS.flatMap((list) => repeatedValues(when[list], [...path, list]));
  if (per === undefined) return repeated;
  const outside = asked
    .filter(({ field }) => !per.includes(field))
    .map(({ member, field }) =>
      contradiction(
        [...path, member],
        `asks about ${field}, which is not in per`,
        `Add ${field} to per, or remove it.`,
      ),
    );
  return [...repeated, ...outside];
}

function contradiction(path: FieldPath, reason: string, cure: string): Finding {
  return { code: 'SLUICE_FIELD_CONTRADICTION', path, parameters: { reason, cure } };
}
