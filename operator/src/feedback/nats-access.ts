import { readFileSync } from 'node:fs';
import {
  type Authenticator,
  connect,
  credsAuthenticator,
  type NatsConnection,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';

/** The first connection is tried for so long, then again. Milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000;
/** A server that answers no ping for twice this long is given up. Milliseconds. */
const PING_INTERVAL_MS = 10_000;
/** Pause between two attempts to reach the same server. Milliseconds. */
const RECONNECT_WAIT_MS = 1_000;

/** How to log in; files are read again at every connection, so a rotated Secret needs no restart. */
export type NatsLogin =
  | { readonly kind: 'none' }
  | { readonly kind: 'password'; readonly user: string; readonly passwordFile: string }
  | { readonly kind: 'token'; readonly tokenFile: string }
  | { readonly kind: 'nkey'; readonly seedFile: string }
  | { readonly kind: 'creds'; readonly file: string };

/** The NATS of the pods. */
export interface NatsAccess {
  /** `nats://host:port` or `tls://host:port`; one that answers is enough. */
  readonly servers: readonly string[];
  readonly login: NatsLogin;
  /** PEM files. */
  readonly tls?: { readonly caFile?: string; readonly certificateFile?: string; readonly keyFile?: string };
  /** Begins the pods' subjects, as `spec.spool.jetstream.prefix` of their sluice.yaml. */
  readonly prefix: string;
}

/** Stream of the key-value bucket in which pods say that they live, and the subjects in it. */
export function sessionBucket(prefix: string): { readonly stream: string; readonly subjects: string } {
  return { stream: `KV_${prefix}-sessions`, subjects: `$KV.${prefix}-sessions.>` };
}

/** The least that the operator's NATS user needs: it reads who lives, and writes nothing. */
export function feedbackPermissions(prefix: string): {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
} {
  const { stream } = sessionBucket(prefix);
  return {
    publish: [
      `$JS.API.STREAM.INFO.${stream}`,
      `$JS.API.CONSUMER.CREATE.${stream}.>`,
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.>`,
      // Asked when a request got no answer: a consumer that a cluster lost would be waited for without end.
      `$JS.API.CONSUMER.INFO.${stream}.*`,
      `$JS.API.CONSUMER.DELETE.${stream}.*`,
    ],
    subscribe: [`${inboxPrefix(prefix)}.>`],
  };
}

/** One attempt; once it stands the connection comes back by itself, for ever. Rejects when there is none within 5 s. */
export function connectNats({ servers, login, tls, prefix }: NatsAccess): Promise<NatsConnection> {
  const authenticator = authenticatorOf(login);
  return connect({
    servers: [...servers],
    name: 'sluice-operator',
    inboxPrefix: inboxPrefix(prefix),
    timeout: CONNECT_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
    // Permissions that are mended must not need a restart.
    ignoreAuthErrorAbort: true,
    ...(authenticator && { authenticator }),
    ...(tls && {
      tls: {
        ...(tls.caFile !== undefined && { caFile: tls.caFile }),
        ...(tls.certificateFile !== undefined && { certFile: tls.certificateFile }),
        ...(tls.keyFile !== undefined && { keyFile: tls.keyFile }),
      },
    }),
  });
}

/** Apart from the pods': who may read it reads no mail. */
function inboxPrefix(prefix: string): string {
  return `${prefix}.operator`;
}

function authenticatorOf(login: NatsLogin): Authenticator | undefined {
  switch (login.kind) {
    case 'none':
      return undefined;
    case 'password':
      return usernamePasswordAuthenticator(login.user, () => textOf(login.passwordFile));
    case 'token':
      return tokenAuthenticator(() => textOf(login.tokenFile));
    case 'nkey':
      return nkeyAuthenticator(() => Buffer.from(textOf(login.seedFile)));
    case 'creds':
      return (nonce) => credsAuthenticator(readFileSync(login.file))(nonce);
  }
}

function textOf(file: string): string {
  return readFileSync(file, 'utf8').trim();
}
