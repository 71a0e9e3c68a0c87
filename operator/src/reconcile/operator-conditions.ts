import type { ResourceStatus } from '@sluice/crds';
import type { WantedCondition } from '../kube/mod.ts';

/** Where a compiled form has got to. */
export type Publication =
  /** It is in the ConfigMaps. */
  | { readonly type: 'Published' }
  /** The API server refuses the ConfigMaps. */
  | { readonly type: 'Failed'; readonly reason: string };

/** Reasons of the conditions that the operator adds to those of `compile`; documented in docs/reference/operator.md. */
export const OPERATOR_REASONS = {
  /** Programmed Unknown: no pod tells what it runs. */
  noFeedback: 'NoFeedback',
  /** Programmed and Ready False: the ConfigMaps cannot be written. */
  notPublished: 'NotPublished',
  /** Ready True: accepted, and in the ConfigMaps that pods read. */
  published: 'Published',
} as const;

const NO_FEEDBACK: WantedCondition = {
  type: 'Programmed',
  status: 'Unknown',
  reason: OPERATOR_REASONS.noFeedback,
  message:
    'The form in force is in the ConfigMaps; pods do not report to this operator which one they run, so it is not known whether all do.',
};

/**
 * All conditions of a resource, in the order in which people read them. What `compile` found, then how far it has got (`Programmed`), then the summary (`Ready`), then
 * `Stalled` if nothing but a change of the resource helps: that is how kstatus (Helm, Flux) tells failed from under way.
 *
 * Messages never name anything that changes with other resources: each such change would be a write to every resource.
 */
export function conditionsFor(status: ResourceStatus, publication: Publication): readonly WantedCondition[] {
  const { conditions, formHash } = status;
  const programmed = formHash === undefined ? [] : [programmedOf(publication)];
  const ready = readyOf(conditions, publication);
  const refused = conditions.find(({ type, status }) => type === 'Accepted' && status === 'False');
  const stalled: readonly WantedCondition[] =
    refused === undefined ? [] : [{ ...refused, type: 'Stalled', status: 'True' }];
  return [...conditions, ...programmed, ready, ...stalled];
}

function programmedOf(publication: Publication): WantedCondition {
  return publication.type === 'Failed' ? notPublished('Programmed', publication.reason) : NO_FEEDBACK;
}

/** What is wrong first, else that all is well. */
function readyOf(conditions: readonly WantedCondition[], publication: Publication): WantedCondition {
  const wrong =
    conditions.find(({ type, status }) => type === 'Accepted' && status !== 'True') ??
    conditions.find(({ type, status }) => type === 'ResolvedRefs' && status !== 'True');
  if (wrong !== undefined) return { ...wrong, type: 'Ready', status: 'False' };
  if (publication.type === 'Failed') return notPublished('Ready', publication.reason);
  return {
    type: 'Ready',
    status: 'True',
    reason: OPERATOR_REASONS.published,
    message: 'It is in force as it stands, in the ConfigMaps that pods read.',
  };
}

function notPublished(type: string, reason: string): WantedCondition {
  return {
    type,
    status: 'False',
    reason: OPERATOR_REASONS.notPublished,
    message: `The ConfigMaps cannot be written: ${reason}`,
  };
}
