import { z } from 'zod';
import { selectorSchema, selectorText } from './selector.ts';

/** Longest reason that is kept, characters. */
export const MAX_REASON_LENGTH = 1_000;

/** Directives that a cluster may have; beyond it none is added. */
export const MAX_DIRECTIVES = 5_000;

const count = z.int().min(1);
const rate = z.strictObject({ count, periodMs: count });
const bound = <S extends z.ZodType>(schema: S) => z.exactOptional(z.union([schema, z.literal('Unlimited')]));

/** Bounds that take the place of a limit's own; `Unlimited` takes one away. */
const bounds = z
  .strictObject({
    connections: bound(count),
    connectionRate: bound(rate),
    recipientRate: bound(rate),
    messageRate: bound(rate),
    byteRate: bound(rate),
    burst: bound(count),
  })
  .refine((some) => Object.keys(some).length > 0, 'at least one bound');

export const directiveEffectSchema = z.discriminatedUnion('type', [
  /** No new transaction; what runs ends. Mail goes through other sources where there are some, and its time runs on. */
  z.strictObject({ type: z.literal('Suspend') }),
  /** Mail stays where it is and does not expire. */
  z.strictObject({ type: z.literal('Hold') }),
  /** Queued mail, and what comes, is returned as undeliverable. */
  z.strictObject({ type: z.literal('Bounce') }),
  z.strictObject({ type: z.literal('SetLimit'), limitName: z.string().min(1), bounds }),
  /** A share of a bound that is given back step by step, see `scale.ts`. */
  z.strictObject({
    type: z.literal('Scale'),
    limitName: z.string().min(1),
    bound: z.enum(['connections', 'connectionRate', 'recipientRate', 'messageRate', 'byteRate']),
    /** Share in force from `createdAtMs` on, percent, not whole after several cuts. */
    percent: z.number().positive().max(100),
    recoverPercent: z.int().min(101),
    recoverEveryMs: count,
  }),
  z.strictObject({ type: z.literal('Reroute'), pool: z.string().min(1) }),
]);

/** What holds for a while for mail that a selector chooses. Cluster-wide: every pod obeys all of them. */
export const directiveSchema = z.strictObject({
  /** {@link directiveId}: one of the same effect and choice replaces it. */
  id: z.string().min(1).max(10_000),
  effect: directiveEffectSchema,
  selector: selectorSchema,
  /** Who gave it. */
  origin: z.enum(['Operator', 'Reaction']),
  /** `by hand: abuse report 42`, or the reaction and the reply that caused it. */
  reason: z.string().max(MAX_REASON_LENGTH),
  /** Name of the reaction; absent = by hand. */
  reaction: z.exactOptional(z.string().max(MAX_REASON_LENGTH)),
  /** Wall times, milliseconds. */
  createdAtMs: z.number(),
  /** 0 = until it is taken back. */
  expiresAtMs: z.number(),
});

export type Directive = Readonly<z.infer<typeof directiveSchema>>;
export type DirectiveEffect = Readonly<z.infer<typeof directiveEffectSchema>>;
export type DirectiveType = DirectiveEffect['type'];

/**
 * The name of a directive: what it does to what. Reactions and operators have names apart, so that neither replaces what the other said.
 *
 * Example: `reaction scale:source-site.recipientRate source=192.0.2.10,site=mx.example`
 */
export function directiveId(
  origin: Directive['origin'],
  effectOf: DirectiveEffect,
  selector: Directive['selector'],
): string {
  return `${origin.toLowerCase()} ${effectText(effectOf)} ${selectorText(selector)}`;
}

function effectText(of: DirectiveEffect): string {
  if (of.type === 'SetLimit') return `set-limit:${of.limitName}`;
  if (of.type === 'Scale') return `scale:${of.limitName}.${of.bound}`;
  return of.type.toLowerCase();
}
