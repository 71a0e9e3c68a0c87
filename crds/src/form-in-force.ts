import type { Remark } from './condition.ts';
import type { Place } from './errors.ts';
import { byText } from './order.ts';
import { formatProblem, problemOf } from './problem.ts';
import {
  checkResource,
  type ParsedResource,
  type RejectedResource,
  type Resource,
  type ResourceKind,
  resourceKey,
} from './resource.ts';

export type CompileInput = ParsedResource | RejectedResource;

/** One resource of the set and the form of it that is in force. */
export interface ResourceForm {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly place: Place;
  /** `undefined` = nothing of it is in force. */
  readonly form: Resource | undefined;
  /** Why it is not in force as it stands; `undefined` = it is. */
  readonly refused: Remark | undefined;
}

/**
 * Decides for each resource which form of it is in force: the one given if it is right, else its last good one, else none.
 * Sorted by kind and name, so that the order in which they come never matters.
 */
export function formsInForce(
  inputs: readonly CompileInput[],
  lastGood: ReadonlyMap<string, Resource>,
  keepMissing: boolean,
): readonly ResourceForm[] {
  const byKey = Map.groupBy(inputs, resourceKey);
  const given = [...byKey.values()].flatMap((group) => decide(group, lastGood));
  const missing = keepMissing ? [...lastGood].filter(([key]) => !byKey.has(key)) : [];
  const kept = missing.map(([, form]) => ({
    kind: form.kind,
    name: form.metadata.name,
    place: {},
    form,
    refused: {
      reason: 'Missing' as const,
      sentence:
        'It is not there, but a document cannot be read that may be it; its last good form stays in force.',
    },
  }));
  return [...given, ...kept].toSorted((a, b) => byText(resourceKey(a), resourceKey(b)));
}

function decide(
  inputs: readonly CompileInput[],
  lastGood: ReadonlyMap<string, Resource>,
): readonly ResourceForm[] {
  const [input, second] = inputs;
  if (input === undefined) return [];
  const { kind, name } = input;
  const refusal = second === undefined ? invalidity(input) : duplication(inputs);
  const place = second === undefined ? input.place : {};
  if (refusal === undefined && 'resource' in input) {
    return [{ kind, name, place, form: input.resource, refused: undefined }];
  }
  const form = lastGood.get(resourceKey(input));
  const outcome = form === undefined ? 'It is left out.' : 'Its last good form stays in force.';
  const refused: Remark = {
    reason: second === undefined ? 'Invalid' : 'Duplicate',
    sentence: `${refusal} ${outcome}`,
  };
  return [{ kind, name, place, form, refused }];
}

/** Resources of which it is known that nothing is wrong with them: they never change. */
const SOUND = new WeakSet<Resource>();

/** Sentences that say what is wrong with it; `undefined` = nothing. */
function invalidity(input: CompileInput): string | undefined {
  if ('resource' in input && SOUND.has(input.resource)) return undefined;
  const problems =
    'problems' in input
      ? input.problems
      : checkResource(input.resource).map((finding) => problemOf(finding, { file: '', ...input.place }));
  if ('resource' in input && problems.length === 0) SOUND.add(input.resource);
  if (problems.length === 0) return 'resource' in input ? undefined : 'It cannot be read.';
  return problems.slice(0, 3).map(formatProblem).join(' ');
}

function duplication(inputs: readonly CompileInput[]): string {
  const places = inputs.map(({ place }) => `${place.file ?? '?'}:${place.line ?? '?'}`).toSorted(byText);
  return `It is there ${inputs.length} times (${places.join(', ')}); keep one.`;
}
