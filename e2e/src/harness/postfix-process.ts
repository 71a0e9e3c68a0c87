import { execFile } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePorts } from './free-ports.ts';

const run = promisify(execFile);
const POSTFIX = '/usr/sbin/postfix';

/** Why there is no Postfix to test with, `undefined` = there is one. */
export function noPostfix(): string | undefined {
  if (!existsSync(POSTFIX)) return `${POSTFIX} is not here (Debian package postfix)`;
  return process.getuid?.() === 0 ? undefined : 'an MTA of Postfix can only be started by root';
}

export interface PostfixSetup {
  /** Next hops by recipient domain, in the words of `transport(5)`: `smtp:[127.0.0.1]:2525`, `discard:`. */
  readonly transports: Readonly<Record<string, string>>;
  /** Recipients that are refused with 550 5.1.1. */
  readonly unknown: readonly string[];
  /** Lines of main.cf besides, or instead of, those that every one has. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface PostfixProcess {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/** The daemons of an MTA that relays; none but smtpd listens on a socket of the network. */
const SERVICES = [
  'pickup unix n - n 60 1 pickup',
  'cleanup unix n - n - 0 cleanup',
  'qmgr unix n - n 300 1 qmgr',
  'rewrite unix - - n - - trivial-rewrite',
  'bounce unix - - n - 0 bounce',
  'defer unix - - n - 0 bounce',
  'trace unix - - n - 0 bounce',
  'proxymap unix - - n - - proxymap',
  'smtp unix - - n - - smtp',
  'error unix - - n - - error',
  'retry unix - - n - - error',
  'discard unix - - n - - discard',
  'anvil unix - - n - 1 anvil',
  'tlsmgr unix - - n 1000? 1 tlsmgr',
  'scache unix - - n - 1 scache',
  'postlog unix-dgram n - n - 1 postlogd',
];

/**
 * Starts a Postfix of its own in a temporary directory on 127.0.0.1. It knows no DNS and reaches nothing but its transports.
 *
 * Example: `const postfix = await startPostfix({ transports: { 'away.example': 'discard:' }, unknown: [] });`
 */
export async function startPostfix({
  transports,
  unknown,
  settings: own = {},
}: PostfixSetup): Promise<PostfixProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'postfix-'));
  chmodSync(directory, 0o755);
  const [port = 0] = await freePorts(1);
  const at = (name: string): string => join(directory, name);
  for (const name of ['etc', 'queue', 'data']) mkdirSync(at(name), { mode: 0o755 });
  const { stdout } = await run('id', ['-u', 'postfix']);
  chownSync(at('data'), Number(stdout), 0);
  const table = (entries: readonly (readonly [string, string])[]): string =>
    `inline:{ ${entries.map(([key, value]) => `{ ${key} = ${value} }`).join(', ')} }`;
  const refused = unknown.map((address) => [address, '550 5.1.1 no such user here'] as const);
  const settings = {
    compatibility_level: '3.6',
    queue_directory: at('queue'),
    data_directory: at('data'),
    maillog_file_prefixes: directory,
    maillog_file: at('log'),
    myhostname: 'mx.postfix.example',
    mydestination: '',
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    mynetworks: '127.0.0.0/8',
    smtp_dns_support_level: 'disabled',
    smtputf8_enable: 'no',
    alias_maps: '',
    alias_database: '',
    transport_maps: table(Object.entries(transports)),
    smtpd_recipient_restrictions: [
      ...(refused.length === 0 ? [] : [`check_recipient_access ${table(refused)}`]),
      'permit_mynetworks',
      'reject',
    ].join(', '),
    ...own,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  writeFileSync(at('etc/main.cf'), lines.join(''));
  writeFileSync(
    at('etc/master.cf'),
    `${[`127.0.0.1:${port} inet n - n - - smtpd`, ...SERVICES].join('\n')}\n`,
  );
  await run(POSTFIX, ['-c', at('etc'), 'start']);
  return {
    address: '127.0.0.1',
    port,
    close: async () => {
      await run(POSTFIX, ['-c', at('etc'), 'stop']);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
