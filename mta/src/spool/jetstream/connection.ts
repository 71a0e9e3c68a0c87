import { readFileSync } from 'node:fs';
import {
  type Authenticator,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import { SluiceError } from '@sluice/crds';

/** How a pod proves who it is; files are read again at every connection, so a rotated Secret needs no restart. */
export type NatsCredentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string }
  /** File with the seed of a user nkey (`SU…`). */
  | { readonly kind: 'nkey'; readonly seedFile: string }
  /** File with a user JWT and its seed, as `nsc` writes it. */
  | { readonly kind: 'creds'; readonly file: string };

export interface NatsTls {
  /** Absent = the certificates that Node trusts. */
  readonly caFile?: string;
  /** The client's own certificate and key, for servers that verify. */
  readonly certificateFile?: string;
  readonly keyFile?: string;
}

export interface NatsOptions {
  /** `nats://host:port`, `tls://host:port`. */
  readonly servers: readonly string[];
  readonly credentials: NatsCredentials;
  readonly tls?: NatsTls;
  readonly inboxPrefix: string;
  /** Name of the connection in the server's monitoring. */
  readonly name: string;
}

/** A server that answers no ping for twice this long is given up: the default of two minutes would be most of an outage. */
export const PING_INTERVAL_MS = 5_000;
/** Pause between two attempts to reach the same server. */
export const RECONNECT_WAIT_MS = 250;
/** The first connection is tried for so long before the user is told. */
export const CONNECT_TIMEOUT_MS = 5_000;

/** Servers older than this lack what recovery uses (batched direct get with a filter). */
const LEAST_SERVER = [2, 12] as const;

/** Told when the connection breaks and when it stands again; the two alternate. */
export interface ConnectionHooks {
  readonly onDown: (reason: string) => void;
  readonly onUp: () => void;
}

/**
 * Connects to NATS; from then on the connection comes back by itself, for ever.
 *
 * @throws {SluiceError} `SLUICE_NATS_UNREACHABLE`, `SLUICE_NATS_REFUSED`, `SLUICE_NATS_TOO_OLD`
 *
 * Example: `await connectNats({ servers: ['nats://127.0.0.1:4222'], credentials: { kind: 'none' }, … })`
 */
export async function connectNats(options: NatsOptions): Promise<NatsConnection> {
  const servers = options.servers.join(', ');
  let connection: NatsConnection;
  try {
    connection = await connect(connectionOptions(options));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const refused =
      error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError;
    throw new SluiceError(refused ? 'SLUICE_NATS_REFUSED' : 'SLUICE_NATS_UNREACHABLE', { servers, reason });
  }
  const version = connection.info?.version ?? '0.0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > LEAST_SERVER[0] || (major === LEAST_SERVER[0] && minor >= LEAST_SERVER[1])) return connection;
  await connection.close();
  throw new SluiceError('SLUICE_NATS_TOO_OLD', { servers, version, least: LEAST_SERVER.join('.') });
}

function connectionOptions({ servers, credentials, tls, inboxPrefix, name }: NatsOptions): ConnectionOptions {
  const authenticator = authenticatorOf(credentials);
  return {
    servers: [...servers],
    name,
    inboxPrefix,
    timeout: CONNECT_TIMEOUT_MS,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
    // Both would end the connection for good or cost a stack trace for every request.
    ignoreAuthErrorAbort: true,
    noAsyncTraces: true,
    ...(authenticator !== undefined && { authenticator }),
    ...(tls !== undefined && {
      tls: {
        ...(tls.caFile !== undefined && { caFile: tls.caFile }),
        ...(tls.certificateFile !== undefined && { certFile: tls.certificateFile }),
        ...(tls.keyFile !== undefined && { keyFile: tls.keyFile }),
      },
    }),
  };
}

function authenticatorOf(credentials: NatsCredentials): Authenticator | undefined {
  switch (credentials.kind) {
    case 'none':
      return undefined;
    case 'password':
      return usernamePasswordAuthenticator(credentials.user, credentials.password);
    case 'token':
      return tokenAuthenticator(credentials.token);
    case 'nkey':
      return nkeyAuthenticator(() => Buffer.from(readFileSync(credentials.seedFile, 'utf8').trim()));
    case 'creds':
      return (nonce) => credsAuthenticator(readFileSync(credentials.file))(nonce);
  }
}

/** Tells of the connection's ups and downs until it is closed. */
export async function watchConnection(connection: NatsConnection, hooks: ConnectionHooks): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'disconnect') hooks.onDown(`the connection to ${status.server} broke`);
    else if (status.type === 'staleConnection') hooks.onDown('the server does not answer pings');
    else if (status.type === 'reconnect') hooks.onUp();
  }
}
