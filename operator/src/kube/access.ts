import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { SluiceError } from '@sluice/crds';

/** How to reach an API server, and as whom. */
export interface ClusterAccess {
  readonly server: URL;
  /** Namespace that the credentials speak of; `undefined` = they name none. */
  readonly namespace: string | undefined;
  /** Puts what logs in on a request: CA, client certificate, token. Called for each request, because tokens are rotated. */
  readonly apply: (request: RequestOptions) => Promise<void>;
}

/** Where the kubelet mounts the service account of a pod. */
export const SERVICE_ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Access of a pod by its service account. The token is read again for each request: the kubelet rotates it.
 *
 * @throws {SluiceError} `SLUICE_CLUSTER_ACCESS` outside a cluster
 *
 * Example: `const client = new ApiClient(await inClusterAccess(process.env))`
 */
export async function inClusterAccess(
  environment: Readonly<Record<string, string | undefined>>,
  directory = SERVICE_ACCOUNT_DIRECTORY,
): Promise<ClusterAccess> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = environment;
  if (host === undefined || host === '') {
    throw new SluiceError('SLUICE_CLUSTER_ACCESS', { reason: 'KUBERNETES_SERVICE_HOST is not set' });
  }
  try {
    const ca = await readFile(`${directory}/ca.crt`);
    const namespace = (await readFile(`${directory}/namespace`, 'utf8')).trim();
    const token = async (): Promise<string> => (await readFile(`${directory}/token`, 'utf8')).trim();
    await token();
    return {
      server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
      namespace,
      apply: async (request) => {
        request.ca = ca;
        request.headers = { ...headersOf(request), authorization: `Bearer ${await token()}` };
      },
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SluiceError('SLUICE_CLUSTER_ACCESS', { reason }, {}, error);
  }
}

/**
 * Access by a kubeconfig and its current context, with all ways to log in that `@kubernetes/client-node` knows. That library takes a second and
 * 80 MB, so it is loaded here only: an operator in a cluster does without.
 *
 * @throws {SluiceError} `SLUICE_CLUSTER_ACCESS`
 */
export async function kubeconfigAccess(file: string): Promise<ClusterAccess> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    config.loadFromFile(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SluiceError('SLUICE_CLUSTER_ACCESS', { reason }, { file }, error);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new SluiceError(
      'SLUICE_CLUSTER_ACCESS',
      { reason: 'its current context names no cluster' },
      { file },
    );
  }
  return {
    server: new URL(cluster.server),
    namespace: config.getContextObject(config.getCurrentContext())?.namespace,
    apply: async (request) => {
      await config.applyToHTTPSOptions(request);
      // Its agent opens a connection for each request; only a proxy needs it.
      if (cluster.proxyUrl === undefined) delete request.agent;
    },
  };
}

function headersOf(request: RequestOptions): Readonly<Record<string, string | readonly string[]>> {
  const headers: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(request.headers ?? {})) {
    if (typeof value === 'string' || Array.isArray(value)) headers[name] = value;
  }
  return headers;
}
