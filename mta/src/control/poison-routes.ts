import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { AnswersOfPods } from './admin-server.ts';
import { type PoisonHere, poisonHereSchema } from './pod-question.ts';
import { type PodState, podStateSchema } from './pod-state.ts';

/** What one pod holds as poison. */
export interface AnsweredPoison {
  readonly pod: PodState;
  readonly poison: PoisonHere;
}

export interface PoisonRoutes {
  /** At each pod behind this address. */
  readonly held: () => Promise<AnswersOfPods<AnsweredPoison>>;
  /** Sends them all the same, absent = all of them; resolves with the ids of those that the pods behind this address had. */
  readonly retry: (ids: readonly string[] | undefined) => Promise<readonly string[]>;
}

/** Messages that one request may name. */
const MAX_IDS = 10_000;

/** Body of `POST /queue/poison/retry`. */
const retryOrderSchema = z.union([
  z.strictObject({ ids: z.array(z.string().max(100)).min(1).max(MAX_IDS) }),
  z.strictObject({ all: z.literal(true) }),
]);

/** Body of `GET /queue/poison`. */
export const answeredPoisonSchema = z.object({
  answers: z.array(z.object({ pod: podStateSchema, poison: poisonHereSchema })),
  silent: z.array(z.string()),
});

/** Answer of `POST /queue/poison/retry`. */
export const retriedSchema = z.object({ queued: z.array(z.string()) });

/** Adds `GET /queue/poison` and `POST /queue/poison/retry`. */
export function addPoisonRoutes(server: FastifyInstance, { held, retry }: PoisonRoutes): void {
  server.get('/queue/poison', () => held());

  server.post('/queue/poison/retry', async (request, reply) => {
    const order = retryOrderSchema.safeParse(request.body);
    if (!order.success)
      return reply.code(400).send({ error: 'it is no order', cure: 'Send {"ids": ["…"]} or {"all": true}.' });
    const { data } = order;
    return { queued: [...(await retry('ids' in data ? data.ids : undefined))] };
  });
}
