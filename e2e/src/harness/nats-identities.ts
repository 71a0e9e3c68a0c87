import { createHash } from 'node:crypto';
import { nkeys } from '@nats-io/transport-node';

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** A user nkey: the seed is the pod's secret, the public key is what the server knows. */
export function userNkey(): { readonly seed: string; readonly publicKey: string } {
  const pair = nkeys.createUser();
  return { seed: text(pair.getSeed()), publicKey: pair.getPublicKey() };
}

/** A decentralised identity as `nsc` makes it: what the server trusts, and the user's `.creds` file. */
export interface CredsIdentity {
  /** Lines of nats-server's configuration. */
  readonly serverLines: string;
  readonly credsFile: string;
}

/** An operator, an account with JetStream and a user of it with these permissions, signed one by the other (NATS JWT version 2). */
export function credsIdentity(permissions: {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}): CredsIdentity {
  const operator = nkeys.createOperator();
  const account = nkeys.createAccount();
  const system = nkeys.createAccount();
  const user = nkeys.createUser();
  const unlimited = { conn: -1, subs: -1, data: -1, payload: -1 };
  const limits = { ...unlimited, imports: -1, exports: -1, wildcards: true, leaf: -1 };
  const accountJwt = (pair: KeyPair, name: string, storage: number): string =>
    jwt(operator, pair, name, {
      type: 'account',
      limits: { ...limits, mem_storage: storage, disk_storage: storage },
    });
  const userJwt = jwt(account, user, 'sluice', {
    type: 'user',
    ...unlimited,
    pub: { allow: permissions.publish },
    sub: { allow: permissions.subscribe },
  });
  const operatorJwt = jwt(operator, operator, 'operator', {
    type: 'operator',
    system_account: system.getPublicKey(),
  });
  return {
    serverLines: [
      `operator: ${operatorJwt}`,
      `system_account: ${system.getPublicKey()}`,
      'resolver: MEMORY',
      `resolver_preload: ${JSON.stringify({
        [account.getPublicKey()]: accountJwt(account, 'mail', -1),
        [system.getPublicKey()]: accountJwt(system, 'system', 0),
      })}`,
    ].join('\n'),
    credsFile: [
      '-----BEGIN NATS USER JWT-----',
      userJwt,
      '------END NATS USER JWT------',
      '',
      '-----BEGIN USER NKEY SEED-----',
      text(user.getSeed()),
      '------END USER NKEY SEED------',
      '',
    ].join('\n'),
  };
}

function jwt(
  issuer: KeyPair,
  subject: KeyPair,
  name: string,
  nats: Readonly<Record<string, unknown>>,
): string {
  const claims = {
    iat: Math.floor(Date.now() / 1000),
    iss: issuer.getPublicKey(),
    jti: createHash('sha256').update(subject.getPublicKey()).digest('hex'),
    name,
    sub: subject.getPublicKey(),
    nats: { ...nats, version: 2 },
  };
  const signed = `${part(JSON.stringify({ typ: 'JWT', alg: 'ed25519-nkey' }))}.${part(JSON.stringify(claims))}`;
  return `${signed}.${part(issuer.sign(Buffer.from(signed)))}`;
}

function part(value: string | Uint8Array): string {
  return Buffer.from(value).toString('base64url');
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
