import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Directive } from '../react/mod.ts';
import {
  type ChosenAnywhere,
  directiveOrderSchema,
  directiveRemovalSchema,
  refuseOrder,
} from './directive-routes.ts';

export type DirectiveOrder = z.infer<typeof directiveOrderSchema>;
export type DirectiveRemoval = z.infer<typeof directiveRemovalSchema>;

/** What one process asks of several others, so that they look like one. */
export interface DirectivesOfOthers {
  list(): Promise<{ readonly directives: readonly Directive[]; readonly trouble?: string }>;
  order(
    order: DirectiveOrder,
  ): Promise<{ readonly directive: Directive; readonly chosen: ChosenAnywhere; readonly dryRun: boolean }>;
  remove(removal: DirectiveRemoval): Promise<{
    readonly directives: readonly Directive[];
    readonly dryRun: boolean;
    readonly chosen?: ChosenAnywhere;
  }>;
}

/** Adds `GET`, `POST` and `DELETE /directives`, answered by others. */
export function forwardDirectives(server: FastifyInstance, others: DirectivesOfOthers): void {
  server.get('/directives', () => others.list());

  server.post('/directives', async (request, reply) => {
    const parsed = directiveOrderSchema.safeParse(request.body);
    if (!parsed.success) return reply.code(400).send({ error: z.prettifyError(parsed.error) });
    return forwarded(reply, () => others.order(parsed.data));
  });

  server.delete('/directives', async (request, reply) => {
    const parsed = directiveRemovalSchema.safeParse(request.body);
    if (!parsed.success) return reply.code(400).send({ error: z.prettifyError(parsed.error) });
    return forwarded(reply, () => others.remove(parsed.data));
  });
}

/** Their refusal is ours. */
async function forwarded<T>(reply: FastifyReply, ask: () => Promise<T>): Promise<T | FastifyReply> {
  try {
    return await ask();
  } catch (error) {
    return refuseOrder(reply, error);
  }
}
