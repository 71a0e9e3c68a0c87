import { SluiceError } from '@sluice/crds';
import fastify, { type FastifyInstance } from 'fastify';
import { z } from 'zod';
import { formatHostPort, type HostPort, type Logger } from '../config/mod.ts';
import {
  LISTING_KEYS,
  type ListingFilter,
  type ListingKey,
  type ListingRow,
  type MailQuestion,
  type MailView,
  type QueueView,
} from '../dispatch/mod.ts';
import { addDirectiveRoutes, type DirectiveRoutes } from './directive-routes.ts';
import { type DirectivesOfOthers, forwardDirectives } from './directives-of-others.ts';
import type { PodActivity } from './pod-activity.ts';
import { MAX_ACTIVITY_ROWS, mailQuestionSchema } from './pod-question.ts';
import type { PodState } from './pod-state.ts';
import { addPoisonRoutes, type PoisonRoutes } from './poison-routes.ts';
import { type ReadinessCheck, readiness } from './readiness.ts';

/** Rows of each kind that `GET /activity` shows unless `?rows=` asks for another number. */
const DEFAULT_ACTIVITY_ROWS = 50;

/** Lanes that `GET /queue` shows unless `?limit=` asks for another number. */
export const DEFAULT_QUEUE_ROWS = 100;
const MAX_QUEUE_ROWS = 10_000;
const QUEUE_ROWS = { type: 'integer', minimum: 1, maximum: MAX_QUEUE_ROWS, default: DEFAULT_QUEUE_ROWS };

const ACTIVITY_ROWS = {
  type: 'integer',
  minimum: 1,
  maximum: MAX_ACTIVITY_ROWS,
  default: DEFAULT_ACTIVITY_ROWS,
};

/** Query parameters of `GET /queue/list` that choose mail. */
export const LISTING_FILTERS = ['pool', 'site', 'tenant', 'domain', 'campaign', 'class'] as const;
const FILTER_VALUE = { type: 'string', maxLength: 1_000 };

/** Body of `GET /queue/list`. Times are wall times, milliseconds since 1970; 0 = none. */
export interface QueueListing {
  readonly by: ListingKey;
  /** Rows there are; `rows` are the first ones. */
  readonly total: number;
  readonly rows: readonly ListingRow[];
  /** Messages that are held as poison. */
  readonly poisoned: number;
}

/** What the pods behind an admin address answered. */
export interface AnswersOfPods<Answer> {
  readonly answers: readonly Answer[];
  /** Who should have answered and did not. */
  readonly silent: readonly string[];
}

/** What one pod says of mail of one kind. */
export interface AnsweredMail {
  readonly pod: PodState;
  readonly mail: MailView;
}

/** What happens now on one pod. */
export interface AnsweredActivity {
  readonly pod: PodState;
  readonly activity: PodActivity;
}

export interface AdminServerOptions {
  readonly address: HostPort;
  readonly checks: readonly ReadinessCheck[];
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
  /** The `limit` busiest lanes. Absent = this process has no queue. */
  readonly queue?: (limit: number) => QueueView | Promise<QueueView>;
  /** What is queued, by lane, tenant or domain; most recipient groups first. */
  readonly listing?: (
    by: ListingKey,
    filter: ListingFilter,
  ) => readonly ListingRow[] | Promise<readonly ListingRow[]>;
  /** What this pod says of itself. Absent = this process is no pod. */
  readonly pod?: () => Promise<PodState>;
  /** What stands between mail of one kind and its host, at each pod behind this address. */
  readonly mail?: (question: MailQuestion) => Promise<AnswersOfPods<AnsweredMail>>;
  /** What happens now at each pod behind this address. */
  readonly activity?: (rows: number) => Promise<AnswersOfPods<AnsweredActivity>>;
  /** Absent = this process holds no mail. */
  readonly poison?: PoisonRoutes;
  /** Absent = this process obeys none. */
  readonly directives?: DirectiveRoutes;
  /** Instead of the process's own: those of others. */
  readonly directivesOfOthers?: DirectivesOfOthers;
  readonly logger: Logger;
}

export interface AdminServer {
  /** Where it listens; the port is the real one when 0 was asked for. */
  readonly address: HostPort;
  close(): Promise<void>;
}

/**
 * Serves `/livez` (200 as long as the event loop lives), `/readyz` (200 or 503, JSON), `/metrics`, `/pod`, `/mail`, `/activity`, `/queue`, `/queue/list`, `/queue/poison` and `/directives`.
 *
 * @throws {SluiceError} `SLUICE_LISTEN_FAILED`
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { address, logger } = options;
  // Probes and scrapers keep connections open: without this a shutdown would wait for them.
  const server = fastify({
    forceCloseConnections: true,
    // A misspelt parameter is an error, not something to leave out.
    ajv: { customOptions: { removeAdditional: false } },
  });
  addRoutes(server, options);
  if (options.poison !== undefined) addPoisonRoutes(server, options.poison);
  if (options.directives !== undefined) addDirectiveRoutes(server, options.directives);
  if (options.directivesOfOthers !== undefined) forwardDirectives(server, options.directivesOfOthers);
  server.setErrorHandler((error, request, reply) => {
    const statusCode = hasStatus(error) ? error.statusCode : 500;
    const message = error instanceof Error ? error.message : String(error);
    if (statusCode >= 500) logger.error({ url: request.url, reason: message }, 'an admin request failed');
    return reply.code(statusCode).send({ error: message });
  });
  try {
    await server.listen({ host: address.host, port: address.port });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SluiceError('SLUICE_LISTEN_FAILED', { address: formatHostPort(address), reason }, {}, error);
  }
  const [bound] = server.addresses();
  const port = typeof bound === 'object' ? bound.port : address.port;
  return { address: { host: address.host, port }, close: () => server.close() };
}

function addRoutes(
  server: FastifyInstance,
  { checks, metrics, queue, listing, pod, mail, activity, poison }: AdminServerOptions,
): void {
  server.get('/livez', () => ({ alive: true }));

  server.get('/readyz', async (_request, reply) => {
    const result = await readiness(checks);
    return reply.code(result.ready ? 200 : 503).send(result);
  });

  server.get('/metrics', async (_request, reply) => {
    return reply.header('content-type', metrics.contentType).send(await metrics.render());
  });

  if (pod !== undefined) server.get('/pod', () => pod());

  if (mail !== undefined) {
    server.get('/mail', async (request, reply) => {
      const question = mailQuestionSchema.safeParse(request.query);
      if (!question.success) return reply.code(400).send({ error: z.prettifyError(question.error) });
      return mail(question.data);
    });
  }

  if (activity !== undefined) {
    server.get<{ Querystring: { rows: number } }>(
      '/activity',
      { schema: { querystring: { type: 'object', properties: { rows: ACTIVITY_ROWS } } } },
      ({ query }) => activity(query.rows),
    );
  }

  if (queue === undefined || listing === undefined) return;

  server.get<{ Querystring: { limit: number } }>(
    '/queue',
    {
      schema: {
        querystring: {
          type: 'object',
          properties: { limit: QUEUE_ROWS },
        },
      },
    },
    (request) => queue(request.query.limit),
  );

  server.get<{ Querystring: ListingFilter & { limit: number; by: ListingKey } }>(
    '/queue/list',
    {
      schema: {
        querystring: {
          type: 'object',
          additionalProperties: false,
          properties: {
            limit: QUEUE_ROWS,
            by: { type: 'string', enum: LISTING_KEYS, default: 'Lane' },
            ...Object.fromEntries(LISTING_FILTERS.map((field) => [field, FILTER_VALUE])),
          },
        },
      },
    },
    async ({ query: { limit, by, ...filter } }): Promise<QueueListing> => {
      const rows = await listing(by, filter);
      const { answers } = (await poison?.held()) ?? { answers: [] };
      const poisoned = answers.reduce((sum, { poison: here }) => sum + here.total, 0);
      return { by, total: rows.length, rows: rows.slice(0, limit), poisoned };
    },
  );
}

function hasStatus(error: unknown): error is { readonly statusCode: number } {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number';
}
