import type { CertificateFiles } from './certificates.ts';

/** What a user may publish to and subscribe to; `deny` goes before `allow` in nats-server. */
export interface NatsUser {
  /** One of: name and password, a token is not possible beside users, an nkey's public key. */
  readonly identity: { readonly user: string; readonly password: string } | { readonly nkey: string };
  readonly permissions?: { readonly publish: readonly string[]; readonly subscribe: readonly string[] };
}

/** How one node is set up; what is left out is not in its file. */
export interface NatsNode {
  readonly name: string;
  /** Where clients connect; default 127.0.0.1. Another one is not told to them: they find the nodes only where they were told to. */
  readonly host?: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly storeDirectory: string;
  /** Bytes that JetStream may store. */
  readonly maxStoreBytes?: number;
  readonly syncAlways?: boolean;
  readonly users?: readonly NatsUser[];
  readonly token?: string;
  readonly tls?: { readonly files: CertificateFiles; readonly clients: 'Any' | 'Verified' };
  readonly cluster?: { readonly port: number; readonly routePorts: readonly number[] };
  /** Lines as they are, for what only one test wants (operator mode, accounts). */
  readonly extra?: string;
}

/** Largest message: a part of a body and its headers; the default of nats-server is 1 MiB, docs ask for 8. */
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;

/** The configuration file of a node, in nats-server's own format (which takes JSON values). */
export function natsConfig(node: NatsNode): string {
  const lines = [
    `server_name: ${node.name}`,
    `listen: "${node.host ?? '127.0.0.1'}:${node.port}"`,
    `http: "127.0.0.1:${node.monitorPort}"`,
    `max_payload: ${MAX_PAYLOAD_BYTES}`,
    `jetstream: ${JSON.stringify({
      store_dir: node.storeDirectory,
      max_file_store: node.maxStoreBytes ?? 8 * 2 ** 30,
      max_memory_store: 256 * 2 ** 20,
      ...(node.syncAlways === true && { sync_interval: 'always' }),
    })}`,
  ];
  if (node.users !== undefined)
    lines.push(`authorization: ${JSON.stringify({ users: node.users.map(userLine) })}`);
  if (node.token !== undefined) lines.push(`authorization: ${JSON.stringify({ token: node.token })}`);
  if (node.tls !== undefined) {
    const { files, clients } = node.tls;
    const verify = clients === 'Verified' ? { verify: true } : {};
    lines.push(
      `tls: ${JSON.stringify({ cert_file: files.certificateFile, key_file: files.keyFile, ca_file: files.caFile, ...verify })}`,
    );
  }
  if (node.cluster !== undefined) {
    const routes = node.cluster.routePorts.map((port) => `nats-route://127.0.0.1:${port}`);
    lines.push(
      `cluster: ${JSON.stringify({
        name: 'sluice-test',
        listen: `127.0.0.1:${node.cluster.port}`,
        routes,
        ...(node.host !== undefined && { no_advertise: true }),
      })}`,
    );
  }
  if (node.extra !== undefined) lines.push(node.extra);
  return `${lines.join('\n')}\n`;
}

function userLine({ identity, permissions }: NatsUser): unknown {
  return {
    ...identity,
    ...(permissions !== undefined && {
      permissions: { publish: { allow: permissions.publish }, subscribe: { allow: permissions.subscribe } },
    }),
  };
}
