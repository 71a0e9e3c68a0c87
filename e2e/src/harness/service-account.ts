import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ControlPlane } from './control-plane.ts';

/** What the kubelet gives a pod: files of its service account, and where the API server is. */
export interface MountedServiceAccount {
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Writes a new token, as the kubelet does before the old one ends. */
  rotate(): Promise<void>;
}

/** Creates a service account and mounts it into a directory. */
export async function mountServiceAccount(
  cluster: ControlPlane,
  namespace: string,
  name: string,
  directory: string,
): Promise<MountedServiceAccount> {
  mkdirSync(directory, { recursive: true });
  await cluster.kubectl(['-n', namespace, 'create', 'serviceaccount', name]);
  const rotate = async (): Promise<void> => {
    const { code, out, err } = await cluster.kubectl(['-n', namespace, 'create', 'token', name]);
    if (code !== 0) throw new Error(err);
    writeFileSync(join(directory, 'token'), out.trim());
  };
  await rotate();
  copyFileSync(cluster.caFile, join(directory, 'ca.crt'));
  writeFileSync(join(directory, 'namespace'), namespace);
  const { hostname, port } = new URL(cluster.url);
  return {
    directory,
    environment: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
    rotate,
  };
}
