import {
  type ActionConfig,
  type Bounds,
  boundsFor,
  type EffectivePolicy,
  type EffectiveReaction,
  type Facts,
  type LimitField,
  type Rate,
} from '@sluice/crds';
import { type Directive, type DirectiveEffect, directiveId, MAX_REASON_LENGTH } from './directive.ts';
import type { DirectiveSet } from './directive-set.ts';
import type { JudgedReply } from './reaction-matcher.ts';
import { recoveredAtMs, shareAt } from './scale.ts';
import { type Selector, selectorOf } from './selector.ts';

/** A reaction went off: what it was and what caused it. */
export interface Occasion {
  readonly reaction: EffectiveReaction;
  readonly reply: JudgedReply;
  readonly facts: Facts;
  readonly policy: EffectivePolicy;
  /** The directives in force: a cut of what is cut already goes on from there. */
  readonly current: DirectiveSet;
  /** Wall time. */
  readonly nowMs: number;
}

type Scale = Extract<ActionConfig, { readonly type: 'Scale' }>['scale'];
type ScaledBound = Extract<DirectiveEffect, { readonly type: 'Scale' }>['bound'];

const SCALED: Readonly<Record<Scale['bound'], ScaledBound>> = {
  Connections: 'connections',
  ConnectionRate: 'connectionRate',
  RecipientRate: 'recipientRate',
  MessageRate: 'messageRate',
  ByteRate: 'byteRate',
};

/** What mail can be rerouted by: what is known before a source is chosen. */
const MAIL_FIELDS: readonly LimitField[] = ['Pool', 'Site', 'Group', 'Domain', 'Tenant', 'Campaign', 'Class'];

/**
 * The directive that an action of a reaction asks for. `undefined` = the action is about the message itself (RetryAfter, Bounce), or there
 * is nothing for it to act on: the limit does not bound this mail, the reply has none of the values it speaks of.
 *
 * Example: Suspend per [Source, Site] for 1h → `{ effect: Suspend, selector: { source: '192.0.2.10', site: 'mx.example' }, expiresAtMs: now + 1h }`
 */
export function actionDirective(action: ActionConfig, occasion: Occasion): Directive | undefined {
  const { facts, nowMs, policy, reaction } = occasion;
  switch (action.type) {
    case 'Suspend': {
      const { per, forMs } = action.suspend;
      const selector = selectorOf(per, facts);
      // Another reaction may have suspended it for longer.
      const known = occasion.current.get(directiveId('Reaction', { type: 'Suspend' }, selector));
      const untilMs = Math.max(nowMs + forMs, known?.expiresAtMs ?? 0);
      return directive(occasion, { type: 'Suspend' }, selector, untilMs);
    }
    case 'SetLimit': {
      const { limitName, bounds, forMs } = action.setLimit;
      const limit = policy.limits.find(({ name }) => name === limitName);
      if (limit === undefined) return undefined;
      const effect = { type: 'SetLimit', limitName, bounds } as const;
      return directive(occasion, effect, selectorOf(limit.per, facts), nowMs + forMs);
    }
    case 'Scale':
      return scaleDirective(action.scale, occasion);
    case 'Reroute': {
      const { pool, forMs } = action.reroute;
      if (pool === facts.pool) return undefined;
      const per = (reaction.trigger?.per ?? ['Domain']).filter((field) => MAIL_FIELDS.includes(field));
      const selector = selectorOf(['Pool', ...(per.length === 0 ? (['Domain'] as const) : per)], facts);
      return directive(occasion, { type: 'Reroute', pool }, selector, nowMs + forMs);
    }
    case 'RetryAfter':
    case 'Bounce':
      return undefined;
  }
}

function scaleDirective(
  { limitName, bound, percent, floor, recoverPercent, recoverEveryMs }: Scale,
  occasion: Occasion,
): Directive | undefined {
  const { facts, policy, current, nowMs } = occasion;
  const limit = policy.limits.find(({ name }) => name === limitName);
  const bounds = limit === undefined ? undefined : boundsFor(limit, facts);
  const least = bounds === undefined ? undefined : leastShare(bounds, SCALED[bound], floor);
  if (limit === undefined || least === undefined) return undefined;
  const effect = { type: 'Scale', limitName, bound: SCALED[bound], recoverPercent, recoverEveryMs } as const;
  const selector = selectorOf(limit.per, facts);
  const known = current.get(directiveId('Reaction', { ...effect, percent: 100 }, selector));
  const share =
    known?.effect.type === 'Scale'
      ? shareAt({ ...known.effect, createdAtMs: known.createdAtMs }, nowMs)
      : 100;
  const cut = Math.min(100, Math.max((share * percent) / 100, least));
  const course = { percent: cut, recoverPercent, recoverEveryMs, createdAtMs: nowMs };
  return directive(occasion, { ...effect, percent: cut }, selector, recoveredAtMs(course));
}

/** The share below which a bound does not fall, percent; `undefined` = the limit does not have it. */
function leastShare(
  bounds: Bounds,
  bound: ScaledBound,
  floor: number | Rate | undefined,
): number | undefined {
  if (bound === 'connections') {
    const { connections } = bounds;
    return connections === undefined
      ? undefined
      : (100 * (typeof floor === 'number' ? floor : 1)) / connections;
  }
  const rate = bounds[bound];
  if (rate === undefined) return undefined;
  const least = typeof floor === 'object' ? floor : { count: 1, periodMs: rate.periodMs };
  return (100 * least.count * rate.periodMs) / (least.periodMs * rate.count);
}

function directive(
  { reaction, reply, nowMs }: Occasion,
  effect: DirectiveEffect,
  selector: Selector,
  expiresAtMs: number,
): Directive | undefined {
  if (Object.keys(selector).length === 0) return undefined;
  const said = [reply.code, reply.enhanced, reply.text].filter(Boolean).join(' ');
  return {
    id: directiveId('Reaction', effect, selector),
    effect,
    selector,
    origin: 'Reaction',
    reaction: reaction.name,
    reason: `reaction ${reaction.name}: ${said}`.slice(0, MAX_REASON_LENGTH),
    createdAtMs: nowMs,
    expiresAtMs,
  };
}
