import { NATS_PREFIX } from './defaults.ts';
import type { EventStreamInFile } from './event-stream-schema.ts';
import type { EventStreamSettings } from './event-stream-settings.ts';
import type { JetStreamInFile } from './jetstream-schema.ts';
import type { JetStreamSettings, NatsCredentialSettings, NatsTlsSettings } from './jetstream-settings.ts';

/** What resolving needs of the rest of the file. */
export interface JetStreamSurroundings {
  /** Makes a path of the file absolute. */
  readonly absolute: (file: string) => string;
  /** The text of a file without the line end at its end; tells the problem and gives `''` where it cannot be read. */
  readonly secret: (file: string, path: readonly string[]) => string;
  /** The password of these fields, which may be in a file. */
  readonly password: (
    fields: { readonly password?: string; readonly passwordFile?: string },
    path: readonly string[],
  ) => string | undefined;
  /** Tells a mistake; the path begins below `spec.spool.jetstream`, or `spec.events.jetstream`. */
  readonly problem: (path: readonly string[], what: string, cure: string) => void;
}

/** Turns `spec.spool.jetstream` into what the spool receives, and checks what no single field can show. */
export function resolveJetStream(
  inFile: JetStreamInFile,
  surroundings: JetStreamSurroundings,
): JetStreamSettings {
  const { credentials, tls, limitsPrefix, ...plain } = inFile;
  return {
    ...plain,
    ...(limitsPrefix !== undefined && { limitsPrefix }),
    credentials: credentials === undefined ? { kind: 'none' } : resolveCredentials(credentials, surroundings),
    ...(tls !== undefined && { tls: resolveTls(tls, surroundings) }),
  };
}

/** Turns `spec.events.jetstream` into what its writer receives; what it does not say is as the spool has it. */
export function resolveEventStream(
  inFile: EventStreamInFile,
  spool: JetStreamSettings | undefined,
  surroundings: JetStreamSurroundings,
): EventStreamSettings {
  const { servers, credentials, tls, prefix, durability, guarantee, maxBytes, maxAge, stream } = inFile;
  if (servers === undefined && spool === undefined) {
    const what = 'Nobody says which NATS keeps the events.';
    surroundings.problem([], what, 'Add servers: the spool is not on NATS.');
  }
  // Another cluster knows other users.
  const same = servers === undefined ? spool : undefined;
  const tlsHere = tls === undefined ? same?.tls : resolveTls(tls, surroundings);
  return {
    servers: servers ?? spool?.servers ?? [],
    credentials:
      credentials === undefined
        ? (same?.credentials ?? { kind: 'none' })
        : resolveCredentials(credentials, surroundings),
    ...(tlsHere !== undefined && { tls: tlsHere }),
    prefix: prefix ?? same?.prefix ?? NATS_PREFIX,
    durability: durability ?? same?.durability ?? 'Replicated',
    guarantee,
    maxBytes,
    maxAgeMs: maxAge,
    stream,
  };
}

function resolveTls(
  tls: NonNullable<JetStreamInFile['tls']>,
  { absolute, problem }: JetStreamSurroundings,
): NatsTlsSettings {
  if ((tls.certificateFile === undefined) !== (tls.keyFile === undefined)) {
    const what = 'A certificate and its key belong together.';
    problem(['tls'], what, 'Give certificateFile and keyFile, or neither.');
  }
  return Object.fromEntries(Object.entries(tls).map(([field, file]) => [field, absolute(file)]));
}

function resolveCredentials(
  given: NonNullable<JetStreamInFile['credentials']>,
  { absolute, secret, password, problem }: JetStreamSurroundings,
): NatsCredentialSettings {
  const path = ['credentials'];
  const ways = [given.user, given.tokenFile, given.nkeySeedFile, given.credsFile].filter(
    (way) => way !== undefined,
  );
  if (ways.length !== 1) {
    const cure = 'Give user with a password, or tokenFile, or nkeySeedFile, or credsFile.';
    problem(path, 'NATS needs exactly one way to log in.', cure);
    return { kind: 'none' };
  }
  const hasPassword = given.password !== undefined || given.passwordFile !== undefined;
  if (given.user !== undefined) {
    if (!hasPassword) problem(path, `User "${given.user}" has no password.`, 'Add passwordFile or password.');
    return { kind: 'password', user: given.user, password: password(given, path) ?? '' };
  }
  if (hasPassword) problem(path, 'A password belongs to a user.', 'Add user, or remove the password.');
  if (given.tokenFile !== undefined)
    return { kind: 'token', token: secret(given.tokenFile, [...path, 'tokenFile']) };
  // Read here only to tell a missing file at once: the connection reads it again each time.
  if (given.nkeySeedFile !== undefined) {
    secret(given.nkeySeedFile, [...path, 'nkeySeedFile']);
    return { kind: 'nkey', seedFile: absolute(given.nkeySeedFile) };
  }
  const file = given.credsFile ?? '';
  secret(file, [...path, 'credsFile']);
  return { kind: 'creds', file: absolute(file) };
}
