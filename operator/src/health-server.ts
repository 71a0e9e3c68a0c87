import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { SluiceError } from '@sluice/crds';

/** What is not in order, one sentence each; empty = ready. */
export type Troubles = () => readonly string[];

export interface HealthServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Serves `/livez` (200 as long as the event loop lives), `/readyz` (503 with the reasons while a watch is not in order) and `/metrics`. An API server that is away makes
 * an operator not ready, never dead: a restart would mend nothing.
 *
 * @throws {SluiceError} `SLUICE_LISTEN_FAILED`
 */
export async function startHealthServer(options: {
  readonly host: string;
  readonly port: number;
  readonly troubles: Troubles;
  readonly metrics: { readonly contentType: string; metrics(): Promise<string> };
}): Promise<HealthServer> {
  const { host, port, troubles, metrics } = options;
  const server = createServer((request, response) => {
    switch (request.url) {
      case '/livez':
        return answer(response, 200, 'text/plain', 'alive\n');
      case '/readyz': {
        const found = troubles();
        const text = found.length === 0 ? 'ready\n' : `${found.join('\n')}\n`;
        return answer(response, found.length === 0 ? 200 : 503, 'text/plain', text);
      }
      case '/metrics':
        metrics.metrics().then(
          (text) => answer(response, 200, metrics.contentType, text),
          (error: unknown) => answer(response, 500, 'text/plain', `${error}\n`),
        );
        return;
      default:
        return answer(response, 404, 'text/plain', 'Here are /livez, /readyz and /metrics.\n');
    }
  });
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SluiceError('SLUICE_LISTEN_FAILED', { address: `${host}:${port}`, reason }, {}, error);
  }
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'content-type': type });
  response.end(text);
}
