import { InvalidArgumentError } from 'commander';
import type { NatsAccess, NatsLogin } from './feedback/mod.ts';

/** What the command line says of NATS. */
export interface NatsFlags {
  readonly nats?: readonly string[];
  readonly natsPrefix: string;
  readonly natsCreds?: string;
  readonly natsUser?: string;
  readonly natsPasswordFile?: string;
  readonly natsTokenFile?: string;
  readonly natsNkeySeed?: string;
  readonly natsCa?: string;
  readonly natsCertificate?: string;
  readonly natsKey?: string;
}

/**
 * The NATS that the flags name, if they name one.
 *
 * @throws {InvalidArgumentError} for two ways to log in, and for half a way
 *
 * Example: `startOperator({ …, ...natsOf(flags) })`
 */
export function natsOf(flags: NatsFlags): { readonly nats?: NatsAccess } {
  const { nats: servers, natsPrefix: prefix, natsCa, natsCertificate, natsKey } = flags;
  const login = loginOf(flags);
  if ((natsCertificate === undefined) !== (natsKey === undefined))
    throw new InvalidArgumentError('--nats-certificate and --nats-key belong together.');
  if (servers === undefined) {
    if (login.kind !== 'none' || natsCa !== undefined || natsKey !== undefined)
      throw new InvalidArgumentError('It is not said where NATS is: --nats is missing.');
    return {};
  }
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(prefix))
    throw new InvalidArgumentError('--nats-prefix takes letters, digits, hyphens and underscores.');
  const wrong = servers.find((server) => !/^(nats|tls):\/\/[^\s@/]+$/.test(server));
  if (wrong !== undefined)
    throw new InvalidArgumentError(
      `--nats takes nats://host:port or tls://host:port, without user and password.`,
    );
  const tls = {
    ...(natsCa !== undefined && { caFile: natsCa }),
    ...(natsCertificate !== undefined && { certificateFile: natsCertificate }),
    ...(natsKey !== undefined && { keyFile: natsKey }),
  };
  return { nats: { servers, login, prefix, ...(Object.keys(tls).length > 0 && { tls }) } };
}

function loginOf({
  natsCreds,
  natsUser,
  natsPasswordFile,
  natsTokenFile,
  natsNkeySeed,
}: NatsFlags): NatsLogin {
  const logins: NatsLogin[] = [];
  if (natsCreds !== undefined) logins.push({ kind: 'creds', file: natsCreds });
  if (natsTokenFile !== undefined) logins.push({ kind: 'token', tokenFile: natsTokenFile });
  if (natsNkeySeed !== undefined) logins.push({ kind: 'nkey', seedFile: natsNkeySeed });
  if (natsUser !== undefined && natsPasswordFile !== undefined)
    logins.push({ kind: 'password', user: natsUser, passwordFile: natsPasswordFile });
  else if (natsUser !== undefined || natsPasswordFile !== undefined)
    throw new InvalidArgumentError('--nats-user and --nats-password-file belong together.');
  if (logins.length > 1) throw new InvalidArgumentError('NATS takes one way to log in.');
  return logins[0] ?? { kind: 'none' };
}
