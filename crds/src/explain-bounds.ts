import type { Bounds, EffectiveLimit, Facts, LimitField, Rate } from './effective-policy.ts';
import type { ExplainedLimit, Origin } from './explain-policy.ts';
import { boundsFor } from './limit-bounds.ts';
import { factOf } from './limit-key.ts';
import { holds } from './when.ts';

export const BOUND_NAMES = [
  'connections',
  'connectionRate',
  'recipientRate',
  'messageRate',
  'byteRate',
  'burst',
] as const satisfies readonly (keyof Bounds)[];

export interface ExplainedBound {
  readonly bound: (typeof BOUND_NAMES)[number];
  readonly value: number | Rate;
  /** Who says it; absent where `rival` does. */
  readonly from?: Origin;
  /** Name of the override that says it. */
  readonly override?: string;
  /** The pool that shares the counter and binds it to less. */
  readonly rival?: string;
}

export type BoundsExplanation =
  | { readonly applies: true; readonly bounds: readonly ExplainedBound[] }
  /** The mail has no value for this field of `per`, so there is no counter. */
  | { readonly applies: false; readonly reason: 'NoValue'; readonly field: LimitField }
  /** `when` does not hold, or the override that applies takes every bound back. */
  | { readonly applies: false; readonly reason: 'When' | 'Unlimited' };

/**
 * What `boundsFor` answers for the same limit and facts, with who says each bound. Pure.
 *
 * Example: a limit with `connections: 5` and an override `cold` gives for a cold source
 * `{ applies: true, bounds: [{ bound: 'connections', value: 1, from, override: 'cold' }] }`
 */
export function explainBounds(explained: ExplainedLimit, facts: Facts): BoundsExplanation {
  const { limit } = explained;
  const field = limit.per.find((name) => factOf(name, facts) === '');
  if (field !== undefined) return { applies: false, reason: 'NoValue', field };
  if (limit.when !== undefined && !holds(limit.when, facts)) return { applies: false, reason: 'When' };
  const bounds = boundsFor(limit, facts);
  if (bounds === undefined) return { applies: false, reason: 'Unlimited' };
  const override = limit.overrides.find(({ when }) => holds(when, facts))?.name;
  const found = BOUND_NAMES.flatMap((bound): readonly ExplainedBound[] => {
    const value = bounds[bound];
    return value === undefined ? [] : [{ bound, value, ...saidBy(explained, facts, bound, override) }];
  });
  return { applies: true, bounds: found };
}

function saidBy(
  { limit, fields, overrides }: ExplainedLimit,
  facts: Facts,
  bound: (typeof BOUND_NAMES)[number],
  override: string | undefined,
): Omit<ExplainedBound, 'bound' | 'value'> {
  const rival = rivalOf(limit, facts, bound);
  if (rival !== undefined) return { rival };
  const own = overrides?.stated.find(({ name }) => name === override);
  if (override !== undefined && overrides !== undefined && own?.bounds[bound] !== undefined)
    return { override, from: overrides.from };
  const from = fields.find(({ field }) => field === `bounds.${bound}`)?.from;
  return from === undefined ? {} : { from };
}

/** The first pool without whose bound a larger one would apply. */
function rivalOf(
  limit: EffectiveLimit,
  facts: Facts,
  bound: (typeof BOUND_NAMES)[number],
): string | undefined {
  const { rivals, ...alone } = limit;
  if (rivals === undefined) return undefined;
  const textOf = (seen: EffectiveLimit) => JSON.stringify(boundsFor(seen, facts)?.[bound]);
  const inForce = textOf(limit);
  if (textOf(alone) === inForce) return undefined;
  return rivals.find((rival) => textOf({ ...alone, rivals: [rival] }) === inForce)?.pool;
}
