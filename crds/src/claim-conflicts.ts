import type { Remark } from './condition.ts';
import type { ClaimConflict, PolicyView } from './policy-view.ts';
import { addRemark, type RemarksByName } from './remarks.ts';

type Party = ClaimConflict['winner'];

/** Destinations of policies that claim the same domain or suffix; both policies are told, with the other's name. */
export function claimConflicts(views: readonly PolicyView[]): RemarksByName {
  const remarks = new Map<string, Remark[]>();
  for (const conflict of views.flatMap((view) => view.conflicts)) {
    const { winner, loser } = conflict;
    addRemark(remarks, winner.policy, remark(conflict, winner, loser, 'this one applies'));
    if (loser.policy !== winner.policy) {
      addRemark(remarks, loser.policy, remark(conflict, loser, winner, 'that one applies'));
    }
  }
  return remarks;
}

function remark({ kind, value }: ClaimConflict, own: Party, rival: Party, outcome: string): Remark {
  const owner = rival.policy === own.policy ? 'the same policy' : `ShapingPolicy "${rival.policy}"`;
  return {
    reason: 'EqualClaims',
    sentence: `${kind} "${value}" of destination "${own.destination}" is also claimed by destination "${rival.destination}" of ${owner}; ${outcome}.`,
  };
}
