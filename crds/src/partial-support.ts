import type { Remark } from './condition.ts';
import type { EgressPool } from './egress-pool.ts';
import type { Resource } from './resource.ts';
import type { LayerSpec, ShapingPolicy } from './shaping-policy.ts';

/** Sources named in one sentence; what is beyond it is counted. */
const MAX_NAMED = 5;

/**
 * What the language has and the MTA of this version does not carry out yet: it is accepted, compiled, and named in the
 * condition. A line goes away when the MTA can do it.
 *
 * A source is different: a cold address without its warm-up is soon a blocked one, which cannot be undone, so such a source is
 * not used (`compile` gives it the state `Disabled`, and a pod refuses a configuration in which it has another).
 */
export function partialSupport(resource: Resource): readonly Remark[] {
  const fields = unsupportedFields(resource);
  const sentences = [
    ...(fields.size === 0
      ? []
      : [`It is in force but for what this version does not carry out yet: ${[...fields].join(', ')}.`]),
    ...(resource.kind === 'EgressPool' ? unusedSources(resource) : []),
  ];
  return sentences.map((sentence) => ({ reason: 'PartiallySupported', sentence }));
}

/** Fields of a resource that this version does not carry out yet: `spec.urgency: High`, `spec.default.session.tls.dane`. */
export function unsupportedFields(resource: Resource): ReadonlySet<string> {
  return new Set(resource.kind === 'EgressPool' ? poolFields(resource) : policyFields(resource));
}

/** Whether this version can use a source without doing harm. */
export function isUsable(source: { readonly warmup?: object }): boolean {
  return source.warmup === undefined;
}

function* poolFields({ spec }: EgressPool): Generator<string> {
  if (spec.urgency === 'High') yield 'spec.urgency: High';
  if (spec.selection?.strategy === 'Sticky') yield 'spec.selection.strategy: Sticky';
  if (spec.fallbackPoolRef !== undefined) yield 'spec.fallbackPoolRef';
}

function* unusedSources({ spec }: EgressPool): Generator<string> {
  const cold = spec.sources.filter((source) => !isUsable(source)).map(({ name }) => name);
  if (cold.length > 0) {
    yield `This version does not carry out warmup yet, so that these cold sources are not used: ${listed(cold)}.`;
  }
}

function* policyFields({ spec }: ShapingPolicy): Generator<string> {
  yield* layerFields(spec.default, 'spec.default');
  for (const destination of spec.destinations ?? []) yield* layerFields(destination, 'spec.destinations[]');
}

function* layerFields(layer: LayerSpec | undefined, path: string): Generator<string> {
  const tls = layer?.session?.tls;
  if (tls?.mtaSTS === 'Enabled') yield `${path}.session.tls.mtaSTS`;
  if (tls?.dane === 'Enabled') yield `${path}.session.tls.dane`;
}

function listed(names: readonly string[]): string {
  const rest = names.length - MAX_NAMED;
  return rest > 0 ? `${names.slice(0, MAX_NAMED).join(', ')} and ${rest} more` : names.join(', ');
}
