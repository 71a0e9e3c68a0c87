import { chmodSync, chownSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ControlPlane } from './control-plane.ts';
import { heldSchema, type ObjectSource, type Pod, type Volume } from './pod-spec.ts';

type Files = Map<string, string | Uint8Array>;

/**
 * Writes the volumes of a pod below a directory, as the kubelet does: files behind a link `..data` that is swapped, Secrets decoded, tokens of the service account bound to the pod.
 * Persistent volumes become directories.
 */
export async function writeVolumes(cluster: ControlPlane, pod: Pod, directory: string): Promise<void> {
  // Of a claim: Kubernetes adds its volume to the pod, with what this schema leaves out.
  for (const volume of pod.spec.volumes) {
    const path = join(directory, volume.name);
    mkdirSync(path, { recursive: true });
    const { runAsUser = 0, fsGroup = 0 } = pod.spec.securityContext;
    const files = await filesOf(cluster, pod, volume);
    if (files === undefined) chownSync(path, runAsUser, fsGroup);
    else swap(path, files, modeOf(volume), fsGroup);
  }
}

/** `undefined` = a directory that the pod itself fills. */
async function filesOf(cluster: ControlPlane, pod: Pod, volume: Volume): Promise<Files | undefined> {
  const { configMap, secret, projected } = volume;
  if (configMap !== undefined) return heldBy(cluster, pod, 'configmap', configMap);
  if (secret !== undefined) return heldBy(cluster, pod, 'secret', { ...secret, name: secret.secretName });
  if (projected === undefined) return undefined;
  const files: Files = new Map();
  for (const { configMap, secret, serviceAccountToken, downwardAPI } of projected.sources) {
    const parts = [
      configMap === undefined ? undefined : await heldBy(cluster, pod, 'configmap', configMap),
      secret === undefined ? undefined : await heldBy(cluster, pod, 'secret', secret),
    ];
    for (const part of parts) for (const [name, content] of part ?? []) files.set(name, content);
    if (serviceAccountToken !== undefined) files.set(serviceAccountToken.path, await tokenFor(cluster, pod));
    for (const { path, fieldRef } of downwardAPI?.items ?? []) {
      if (fieldRef.fieldPath !== 'metadata.namespace') throw new Error(`unknown field ${fieldRef.fieldPath}`);
      files.set(path, pod.metadata.namespace);
    }
  }
  return files;
}

async function heldBy(
  cluster: ControlPlane,
  { metadata: { namespace } }: Pod,
  kind: 'configmap' | 'secret',
  { name, items, optional = false }: ObjectSource,
): Promise<Files> {
  const { code, out, err } = await cluster.kubectl(['-n', namespace, 'get', kind, name, '-o', 'json']);
  if (code !== 0) {
    if (optional) return new Map();
    throw new Error(err);
  }
  const { data, binaryData } = heldSchema.parse(JSON.parse(out));
  const all: Files = new Map();
  for (const [key, text] of Object.entries(data))
    all.set(key, kind === 'secret' ? Buffer.from(text, 'base64') : text);
  for (const [key, text] of Object.entries(binaryData)) all.set(key, Buffer.from(text, 'base64'));
  if (items === undefined) return all;
  return new Map(
    items.flatMap(({ key, path }) => {
      const content = all.get(key);
      return content === undefined ? [] : [[path, content] as const];
    }),
  );
}

async function tokenFor(cluster: ControlPlane, { metadata, spec }: Pod): Promise<string> {
  const bound = [
    '--bound-object-kind=Pod',
    `--bound-object-name=${metadata.name}`,
    `--bound-object-uid=${metadata.uid}`,
  ];
  const token = ['-n', metadata.namespace, 'create', 'token', spec.serviceAccountName, ...bound];
  const { code, out, err } = await cluster.kubectl(token);
  if (code !== 0) throw new Error(err);
  return out.trim();
}

function modeOf({ configMap, secret, projected }: Volume): number {
  return (configMap ?? secret ?? projected)?.defaultMode ?? 0o644;
}

/** As the kubelet's AtomicWriter: readers see the old files or the new ones, never some of each. */
function swap(directory: string, files: Files, mode: number, group: number): void {
  const stamp = `..${process.hrtime.bigint()}`;
  for (const [name, content] of files) {
    const path = join(directory, stamp, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    chmodSync(path, mode);
    chownSync(path, 0, group);
  }
  mkdirSync(join(directory, stamp), { recursive: true });
  symlinkSync(stamp, join(directory, '..data_tmp'));
  renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
  for (const name of new Set([...files.keys()].map((file) => file.split('/')[0] ?? ''))) {
    rmSync(join(directory, name), { force: true });
    symlinkSync(join('..data', name), join(directory, name));
  }
}
