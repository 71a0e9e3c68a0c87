import { SluiceError } from '@sluice/crds';
import fastify, { type FastifyInstance } from 'fastify';
import { formatHostPort, type HostPort, type Logger } from '../config/mod.ts';
import type { QueueView } from '../dispatch/mod.ts';
import { type ReadinessCheck, readiness } from './readiness.ts';

/** Lanes that `GET /queue` shows unless `?limit=` asks for another number. */
export const DEFAULT_QUEUE_ROWS = 100;
const MAX_QUEUE_ROWS = 10_000;

export interface AdminServerOptions {
  readonly address: HostPort;
  readonly checks: readonly ReadinessCheck[];
  readonly metrics: { readonly contentType: string; render(): Promise<string> };
  /** The `limit` busiest lanes. */
  readonly queue: (limit: number) => QueueView;
  readonly logger: Logger;
}

export interface AdminServer {
  /** Where it listens; the port is the real one when 0 was asked for. */
  readonly address: HostPort;
  close(): Promise<void>;
}

/**
 * Serves `/livez` (200 as long as the event loop lives), `/readyz` (200 or 503, JSON), `/metrics` and `/queue`.
 *
 * @throws {SluiceError} `SLUICE_LISTEN_FAILED`
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const { address, logger } = options;
  // Probes and scrapers keep connections open: without this a shutdown would wait for them.
  const server = fastify({ forceCloseConnections: true });
  addRoutes(server, options);
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

function addRoutes(server: FastifyInstance, { checks, metrics, queue }: AdminServerOptions): void {
  server.get('/livez', () => ({ alive: true }));

  server.get('/readyz', async (_request, reply) => {
    const result = await readiness(checks);
    return reply.code(result.ready ? 200 : 503).send(result);
  });

  server.get('/metrics', async (_request, reply) => {
    return reply.header('content-type', metrics.contentType).send(await metrics.render());
  });

  server.get<{ Querystring: { limit: number } }>(
    '/queue',
    {
      schema: {
        querystring: {
          type: 'object',
          properties: {
            limit: { type: 'integer', minimum: 1, maximum: MAX_QUEUE_ROWS, default: DEFAULT_QUEUE_ROWS },
          },
        },
      },
    },
    (request) => queue(request.query.limit),
  );
}

function hasStatus(error: unknown): error is { readonly statusCode: number } {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number';
}
