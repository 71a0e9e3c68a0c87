import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NetworkNamespace } from './network-namespace.ts';
import { API_SERVICE } from './pod-network.ts';
import type { Container, Pod } from './pod-spec.ts';
import { type StartedProgram, startProgram } from './started-program.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '');

export interface ContainerPlace {
  readonly pod: Pod;
  readonly container: Container;
  readonly network: NetworkNamespace;
  /** Where the volumes were written, one directory each. */
  readonly volumes: string;
  /** For its root directory. */
  readonly directory: string;
  /** File that is its /etc/hosts: names of Services, kept up to date. */
  readonly hostsFile: string;
  /** Directories with programs that the image has beside those of this repository. */
  readonly programs: readonly string[];
}

/**
 * Starts a container as a process, as restricted as its security context says: a root directory of its own that cannot be written, the volumes where they are to be mounted, another
 * user, no capability, no new privileges, the pod's network and name. What an image would hold is this repository, at /app.
 */
export function startContainer(place: ContainerPlace): StartedProgram {
  const { pod, container, network, volumes, directory, hostsFile, programs } = place;
  const root = join(directory, 'root');
  mkdirSync(root, { recursive: true });
  const user = pod.spec.securityContext.runAsUser ?? 65_534;
  const group = pod.spec.securityContext.fsGroup ?? user;
  const mounts = container.volumeMounts.map(
    ({ name, mountPath }) =>
      `mkdir -p ${root}${mountPath}; mount --bind ${join(volumes, name)} ${root}${mountPath}`,
  );
  const script = [
    'set -e',
    `mount -t tmpfs -o mode=755,size=4m none ${root}`,
    // Merged /usr: what is a link stays one.
    `for d in bin sbin lib lib64 usr; do if [ -L /$d ]; then cp -P /$d ${root}/$d; elif [ -d /$d ]; then mkdir ${root}/$d; mount --rbind /$d ${root}/$d; fi; done`,
    `mkdir -p ${root}/proc ${root}/dev ${root}/etc ${root}/app`,
    `mount --rbind /proc ${root}/proc`,
    `mount --rbind /dev ${root}/dev`,
    `mount --bind ${ROOT} ${root}/app`,
    `touch ${root}/etc/hosts; mount --bind ${hostsFile} ${root}/etc/hosts`,
    `cp /etc/nsswitch.conf /etc/resolv.conf ${root}/etc/ 2>/dev/null || true`,
    ...programs.map(
      (path, index) => `mkdir -p ${root}/image/${index}; mount --bind ${path} ${root}/image/${index}`,
    ),
    ...mounts,
    `mount -o remount,ro ${root}`,
    `hostname ${pod.metadata.name}`,
    `exec chroot ${root} /usr/bin/setpriv --reuid ${user} --regid ${group} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"`,
  ].join('\n');
  const environment: Readonly<Record<string, string>> = {
    PATH: [
      '/app/node_modules/.bin',
      ...programs.map((_, index) => `/image/${index}`),
      '/usr/bin',
      '/bin',
    ].join(':'),
    KUBERNETES_SERVICE_HOST: API_SERVICE,
    KUBERNETES_SERVICE_PORT: '443',
    ...Object.fromEntries(container.env.map(({ name, value }) => [name, value])),
  };
  return startProgram([
    ...network.prefix,
    ...['unshare', '--mount', '--propagation', 'private', '--uts', 'bash', '-c', script, 'sh'],
    ...['/usr/bin/env', '-i', ...Object.entries(environment).map(([name, value]) => `${name}=${value}`)],
    ...container.command,
    ...container.args,
  ]);
}
