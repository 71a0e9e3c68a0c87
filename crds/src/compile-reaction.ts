import { compileBounds, inKeyOrder } from './compile-limit.ts';
import { milliseconds } from './duration.ts';
import type { ActionConfig, LayerReaction } from './egress-config.ts';
import { sortedSet } from './order.ts';
import { present } from './present.ts';
import { parseRate } from './rate.ts';
import { type ActionSpec, REACTION_PHASES, type ReactionSpec } from './reaction.ts';

/** One reaction as the pods run it. */
export function compileReaction(reaction: ReactionSpec): LayerReaction {
  const { name, state, match, trigger, actions } = reaction;
  return present({
    name,
    state,
    match:
      match === undefined
        ? undefined
        : present({
            codes: match.codes?.toSorted((a, b) => a - b),
            enhancedCodes: sortedSet(match.enhancedCodes),
            text: match.text,
            phases: match.phases && REACTION_PHASES.filter((phase) => match.phases?.includes(phase)),
          }),
    trigger:
      trigger === undefined
        ? undefined
        : { count: trigger.count, withinMs: milliseconds(trigger.within), per: inKeyOrder(trigger.per) },
    actions: actions?.map(compileAction),
  });
}

function compileAction(action: ActionSpec): ActionConfig {
  const { type, scale, suspend, setLimit, retryAfter, reroute } = action;
  if (scale !== undefined) {
    const { limitName, bound, percent, floor, recoverPercent } = scale;
    const recoverEveryMs = milliseconds(scale.recoverEvery);
    const least = typeof floor === 'string' ? parseRate(floor) : floor;
    return {
      type: 'Scale',
      scale: present({ limitName, bound, percent, floor: least, recoverPercent, recoverEveryMs }),
    };
  }
  if (suspend !== undefined) {
    return { type: 'Suspend', suspend: { per: inKeyOrder(suspend.per), forMs: milliseconds(suspend.for) } };
  }
  if (setLimit !== undefined) {
    const { limitName } = setLimit;
    const forMs = milliseconds(setLimit.for);
    return { type: 'SetLimit', setLimit: { limitName, bounds: compileBounds(setLimit), forMs } };
  }
  if (retryAfter !== undefined) {
    return { type: 'RetryAfter', retryAfter: { delayMs: milliseconds(retryAfter.delay) } };
  }
  if (reroute !== undefined) {
    return { type: 'Reroute', reroute: { pool: reroute.poolRef.name, forMs: milliseconds(reroute.for) } };
  }
  if (type !== 'Bounce') throw new TypeError(`the check accepted the action ${type} without its member`);
  return { type };
}
