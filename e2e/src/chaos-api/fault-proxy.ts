import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, type RequestOptions, request } from 'node:https';
import type { ClusterAccess } from '@sluice/operator';

/** What happens to a request on its way to the API server. */
export type ProxyFault = 'None' | 'Throttle' | 'Error' | 'Reset' | 'Hang' | 'CutAnswer';

/** A way to an API server on which requests fail. */
export interface FaultProxy {
  readonly url: string;
  /** Requests that came, and those that were not answered as the API server would. */
  readonly counts: { requests: number; faults: number };
  /** Ends all answers that go on: watches break. */
  cutWatches(): void;
  close(): Promise<void>;
}

/** A client waits for an answer that does not come for its own time; the connection is given up after this, milliseconds. */
const HANG_MS = 15_000;

/**
 * Stands before an API server, as whom `access` says; `fault` is asked before each request.
 *
 * Example: `const proxy = await startFaultProxy(access, () => (random() < 0.1 ? 'Throttle' : 'None'))`
 */
export async function startFaultProxy(access: ClusterAccess, fault: () => ProxyFault): Promise<FaultProxy> {
  const counts = { requests: 0, faults: 0 };
  const agent = new Agent({ keepAlive: true });
  const watches = new Set<ServerResponse>();
  const server = createServer((incoming, response) => {
    counts.requests++;
    const kind = fault();
    if (kind !== 'None') counts.faults++;
    if (kind === 'Throttle') {
      response.writeHead(429, { 'retry-after': '1', 'content-type': 'application/json' });
      response.end('{"kind":"Status","reason":"TooManyRequests","message":"too many requests"}');
    } else if (kind === 'Error') {
      response.writeHead(500, { 'content-type': 'application/json' });
      response.end('{"kind":"Status","message":"etcdserver: request timed out"}');
    } else if (kind === 'Reset') response.destroy();
    else if (kind === 'Hang') setTimeout(() => response.destroy(), HANG_MS).unref();
    else void forward(incoming, response, kind === 'CutAnswer');
  });
  const forward = async (
    incoming: IncomingMessage,
    response: ServerResponse,
    cut: boolean,
  ): Promise<void> => {
    const options: RequestOptions = {
      host: access.server.hostname,
      port: access.server.port,
      method: incoming.method,
      path: incoming.url,
      headers: { ...incoming.headers, host: access.server.host },
    };
    await access.apply(options);
    options.agent ??= agent;
    const isWatch = incoming.url?.includes('watch=true') === true;
    const sent = request(options, (answer) => {
      // It did what was asked, and who asked does not hear of it.
      if (cut && !isWatch) {
        answer.resume();
        response.destroy();
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      if (isWatch) {
        response.flushHeaders();
        watches.add(response);
      }
      answer.pipe(response);
      answer.once('close', () => response.destroy());
      answer.once('error', () => response.destroy());
    });
    sent.once('error', () => response.destroy());
    response.once('close', () => {
      watches.delete(response);
      sent.destroy();
    });
    incoming.pipe(sent);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    counts,
    cutWatches() {
      for (const response of watches) response.destroy();
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      agent.destroy();
    },
  };
}
