import type { ResourceStatus } from '@sluice/crds';
import type { WantedCondition } from '../kube/mod.ts';
import type { Programming } from './programming.ts';

/** Where a compiled form has got to. */
export type Publication =
  /** It is in the ConfigMaps. */
  | { readonly type: 'Published' }
  /** The API server refuses the ConfigMaps. */
  | { readonly type: 'Failed'; readonly reason: string };

/** Reasons of the conditions that the operator adds to those of `compile`; documented in docs/reference/operator.md. */
export const OPERATOR_REASONS = {
  /** Programmed True: every pod that lives runs it. */
  programmed: 'Programmed',
  /** Programmed and Ready False: some pods do not run it yet. */
  podsBehind: 'PodsBehind',
  /** Programmed Unknown: no pod lives. */
  noPods: 'NoPods',
  /** Programmed Unknown: no NATS is named, so no pod tells what it runs. */
  noFeedback: 'NoFeedback',
  /** Programmed Unknown: NATS cannot be read. */
  feedbackLost: 'FeedbackLost',
  /** Programmed and Ready False: the ConfigMaps cannot be written. */
  notPublished: 'NotPublished',
  /** Ready True: accepted, in the ConfigMaps that pods read, and as far as is known in force. */
  published: 'Published',
} as const;

/** Messages name nothing that changes by itself: each such change would be a write to every resource. */
const UNKNOWN = {
  NoFeedback: {
    reason: OPERATOR_REASONS.noFeedback,
    message:
      'The form in force is in the ConfigMaps; the operator was not told where NATS is (--nats), so it does not know which pods run it.',
  },
  Lost: {
    reason: OPERATOR_REASONS.feedbackLost,
    message:
      'The form in force is in the ConfigMaps; the operator cannot read from NATS which pods run it. Its log says why.',
  },
  Waiting: {
    reason: OPERATOR_REASONS.feedbackLost,
    message: 'The form in force is in the ConfigMaps; the operator has just begun to read which pods run it.',
  },
  NoPods: {
    reason: OPERATOR_REASONS.noPods,
    message: 'The form in force is in the ConfigMaps; no pod is running.',
  },
} as const;

/**
 * All conditions of a resource, in the order in which people read them. What `compile` found, then how far it has got (`Programmed`), then the summary (`Ready`), then
 * `Stalled` if nothing but a change of the resource helps: that is how kstatus (Helm, Flux) tells failed from under way.
 *
 * Messages never name anything that changes with other resources: each such change would be a write to every resource.
 */
export function conditionsFor(
  status: ResourceStatus,
  publication: Publication,
  programming: Programming,
): readonly WantedCondition[] {
  const { conditions, formHash } = status;
  const programmed = formHash === undefined ? undefined : programmedOf(publication, programming);
  const ready = readyOf(conditions, programmed);
  const refused = conditions.find(({ type, status }) => type === 'Accepted' && status === 'False');
  const stalled: readonly WantedCondition[] =
    refused === undefined ? [] : [{ ...refused, type: 'Stalled', status: 'True' }];
  return [...conditions, ...(programmed === undefined ? [] : [programmed]), ready, ...stalled];
}

function programmedOf(publication: Publication, programming: Programming): WantedCondition {
  if (publication.type === 'Failed') return notPublished(publication.reason);
  if (programming.type !== 'Pods')
    return { type: 'Programmed', status: 'Unknown', ...UNKNOWN[programming.type] };
  const { behind } = programming;
  if (behind.length === 0) {
    return {
      type: 'Programmed',
      status: 'True',
      reason: OPERATOR_REASONS.programmed,
      message: 'Every pod runs the form in force.',
    };
  }
  return {
    type: 'Programmed',
    status: 'False',
    reason: OPERATOR_REASONS.podsBehind,
    message: `The form in force is in the ConfigMaps; these pods do not run it yet: ${behind.join(', ')}.`,
  };
}

/** What is wrong first, else that all is well. */
function readyOf(
  conditions: readonly WantedCondition[],
  programmed: WantedCondition | undefined,
): WantedCondition {
  const wrong =
    conditions.find(({ type, status }) => type === 'Accepted' && status !== 'True') ??
    conditions.find(({ type, status }) => type === 'ResolvedRefs' && status !== 'True');
  if (wrong !== undefined) return { ...wrong, type: 'Ready', status: 'False' };
  if (programmed?.status === 'False') return { ...programmed, type: 'Ready' };
  return {
    type: 'Ready',
    status: 'True',
    reason: OPERATOR_REASONS.published,
    message: 'It is accepted as it stands, and in the ConfigMaps that pods read.',
  };
}

function notPublished(reason: string): WantedCondition {
  return {
    type: 'Programmed',
    status: 'False',
    reason: OPERATOR_REASONS.notPublished,
    message: `The ConfigMaps cannot be written: ${reason}`,
  };
}
