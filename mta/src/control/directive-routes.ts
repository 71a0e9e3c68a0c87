import { normalDomain, SluiceError } from '@sluice/crds';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import {
  type Directive,
  type DirectiveStore,
  directiveEffectSchema,
  directiveId,
  MAX_REASON_LENGTH,
  type Selector,
  selectorSchema,
} from '../react/mod.ts';
import { type ChosenMail, MAX_ASKED_SELECTORS } from './pod-question.ts';

/** How much queued mail a selector chooses now, in all MTAs that answered. */
export interface ChosenAnywhere extends ChosenMail {
  readonly pods: number;
  /** Who did not answer. */
  readonly silent: readonly string[];
}

export interface DirectiveRoutes {
  readonly store: DirectiveStore;
  /** Counts queued mail; what is known only when a source is chosen is left out of account. */
  readonly chosenBy: (selectors: readonly Selector[]) => Promise<ChosenAnywhere>;
  /** Wall time. */
  readonly nowMs: () => number;
}

/** Body of `POST /directives`. */
export const directiveOrderSchema = z.strictObject({
  effect: directiveEffectSchema,
  selector: selectorSchema,
  reason: z.string().max(MAX_REASON_LENGTH).default(''),
  /** 0 = until it is taken back. */
  forMs: z.int().min(0).default(0),
  /** Only count what it would touch. */
  dryRun: z.boolean().default(false),
});

/** Body of `DELETE /directives`: those of these types whose selector has all of these values. */
export const directiveRemovalSchema = z.strictObject({
  types: z.array(z.enum(['Suspend', 'Hold', 'Bounce', 'SetLimit', 'Scale', 'Reroute'])).min(1),
  selector: z.record(z.string(), z.string()).default({}),
  limitName: z.exactOptional(z.string()),
  dryRun: z.boolean().default(false),
});

/** Effects on mail for which no source is chosen yet. */
const BEFORE_A_SOURCE = new Set(['Hold', 'Bounce', 'Reroute']);

/** Adds `GET`, `POST` and `DELETE /directives`. */
export function addDirectiveRoutes(
  server: FastifyInstance,
  { store, chosenBy, nowMs }: DirectiveRoutes,
): void {
  server.get('/directives', () => ({
    directives: store.set.directives,
    ...(store.trouble !== undefined && { trouble: store.trouble }),
  }));

  server.post('/directives', async (request, reply) => {
    const parsed = directiveOrderSchema.safeParse(request.body);
    if (!parsed.success) return reply.code(400).send({ error: z.prettifyError(parsed.error) });
    const { effect, reason, forMs, dryRun } = parsed.data;
    const selector = asQueued(parsed.data.selector);
    const early = BEFORE_A_SOURCE.has(effect.type);
    if (early && (selector.source !== undefined || selector.mxHost !== undefined)) {
      const error = `${effect.type} is about mail before a source and a host are chosen: leave source and mxHost out`;
      return reply.code(400).send({ error });
    }
    const createdAtMs = nowMs();
    const directive: Directive = {
      id: directiveId('Operator', effect, selector),
      effect,
      selector,
      origin: 'Operator',
      reason,
      createdAtMs,
      expiresAtMs: forMs === 0 ? 0 : createdAtMs + forMs,
    };
    // Side by side: whoever stops something does not wait for a pod that says nothing.
    const chosen = chosenBy([selector]);
    try {
      if (!dryRun) await store.put([directive]);
    } catch (error) {
      await chosen;
      return refuseOrder(reply, error);
    }
    return { directive, chosen: await chosen, dryRun };
  });

  server.delete('/directives', async (request, reply) => {
    const parsed = directiveRemovalSchema.safeParse(request.body);
    if (!parsed.success) return reply.code(400).send({ error: z.prettifyError(parsed.error) });
    const { types, selector, limitName, dryRun } = parsed.data;
    const directives = store.set.directives.filter(
      (each) =>
        types.includes(each.effect.type) &&
        Object.entries(selector).every(([field, value]) => valueIn(each.selector, field) === value) &&
        (limitName === undefined || ('limitName' in each.effect && each.effect.limitName === limitName)),
    );
    if (dryRun) {
      const some = directives.length > 0 && directives.length <= MAX_ASKED_SELECTORS;
      const selectors = directives.map((each) => each.selector);
      return { directives, dryRun, ...(some && { chosen: await chosenBy(selectors) }) };
    }
    try {
      await store.remove(directives.map(({ id }) => id));
    } catch (error) {
      return refuseOrder(reply, error);
    }
    return { directives, dryRun };
  });
}

/** The store did not take it: never a success. */
export function refuseOrder(reply: FastifyReply, error: unknown): FastifyReply {
  if (!(error instanceof SluiceError)) throw error;
  return reply.code(503).send({ error: error.message, cure: error.cure });
}

/** Domains and hosts in the form that the queue knows them by: lower case, without final dot. */
function asQueued(selector: Selector): Selector {
  const { domain, mxHost } = selector;
  return {
    ...selector,
    ...(domain === undefined ? {} : { domain: normalDomain(domain) }),
    ...(mxHost === undefined ? {} : { mxHost: normalDomain(mxHost) }),
  };
}

function valueIn(selector: Selector, wanted: string): string | undefined {
  return Object.entries(selector).find(([field]) => field === wanted)?.[1];
}
