import { formatDuration, parseDuration } from '@sluice/crds';
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  formatHostPort,
  type HostPort,
  type LogSettings,
  loadProxyUsers,
  type Network,
  parseHostPort,
  parseNetwork,
} from '../config/mod.ts';
import { drainingCheck, startAdminServer } from '../control/mod.ts';
import {
  ALLOWED_PORTS,
  CONNECT_TIMEOUT_MS,
  DRAIN_TIMEOUT_MS,
  HANDSHAKE_TIMEOUT_MS,
  IDLE_TIMEOUT_MS,
  MAX_CONNECTIONS,
  MAX_CONNECTIONS_PER_CLIENT,
  type ProxyUser,
  startProxy,
} from '../proxy/mod.ts';
import { createLogger, createProxyMetrics } from '../report/mod.ts';
import { ProblemsFound } from './problems-found.ts';

interface ProxyFlags {
  readonly listen: readonly HostPort[];
  readonly admin: HostPort;
  readonly allowClient: readonly Network[];
  readonly allowSource: readonly Network[];
  readonly allowPort: readonly number[];
  readonly allowTarget: readonly Network[];
  readonly users?: string;
  readonly tlsCertificate?: string;
  readonly tlsKey?: string;
  readonly maxConnections: number;
  readonly maxConnectionsPerClient: number;
  readonly handshakeTimeout: number;
  readonly connectTimeout: number;
  readonly idleTimeout: number;
  readonly drainTimeout: number;
  readonly logLevel: LogSettings['level'];
  readonly logFormat: LogSettings['format'];
}

const LOOPBACK: readonly Network[] = ['127.0.0.0/8', '::1/128'].map(network);
const DEFAULT_LISTEN: HostPort = { host: '127.0.0.1', port: 1080 };
const DEFAULT_ADMIN: HostPort = { host: '127.0.0.1', port: 9026 };

/** Adds `sluice proxy`: a SOCKS5 proxy for nodes that have the public addresses. */
export function proxy(program: Command): void {
  program
    .command('proxy')
    .summary('Run the SOCKS5 proxy of an egress node')
    .description(
      'Connects for MTAs that run elsewhere, from the addresses of this machine: SOCKS5 (RFC 1928) with user name and password (RFC 1929), both as it stands and ' +
        'with BIND before CONNECT to name the source address (dialect BindConnect). Targets on loopback, private and reserved networks are refused. ' +
        'SIGTERM drains: it stops listening, connections end, then the process.',
    )
    .addOption(
      listOption('--listen <address:port>', 'where it listens; may be repeated', hostPort).default(
        [DEFAULT_LISTEN],
        formatHostPort(DEFAULT_LISTEN),
      ),
    )
    .addOption(
      new Option('--admin <address:port>', 'serves /livez, /readyz and /metrics')
        .argParser(hostPort)
        .default(DEFAULT_ADMIN, formatHostPort(DEFAULT_ADMIN)),
    )
    .addOption(
      listOption('--allow-client <network>', 'clients that may connect; may be repeated', network).default(
        LOOPBACK,
        'loopback, where it listens on loopback only',
      ),
    )
    .addOption(
      listOption(
        '--allow-source <network>',
        'addresses that may be connected from; may be repeated',
        network,
      ).default([], 'all of this machine'),
    )
    .addOption(
      listOption('--allow-port <port>', 'ports that may be connected to; may be repeated', port).default(
        ALLOWED_PORTS,
        ALLOWED_PORTS.join(', '),
      ),
    )
    .addOption(
      listOption(
        '--allow-target <network>',
        'private or otherwise refused networks that may be connected to; may be repeated',
        network,
      ).default([], 'none'),
    )
    .option('--users <file>', 'YAML list of username with password or passwordFile; absent = nobody logs in')
    .option('--tls-certificate <file>', 'certificate chain, PEM; read again when it changes')
    .option('--tls-key <file>', 'private key, PEM')
    .option('--max-connections <n>', 'open connections', atLeastOne, MAX_CONNECTIONS)
    .option(
      '--max-connections-per-client <n>',
      'open connections of one client address',
      atLeastOne,
      MAX_CONNECTIONS_PER_CLIENT,
    )
    .addOption(
      durationOption(
        '--handshake-timeout <duration>',
        'until a client has said where to',
        HANDSHAKE_TIMEOUT_MS,
      ),
    )
    .addOption(
      durationOption('--connect-timeout <duration>', 'until a target has answered', CONNECT_TIMEOUT_MS),
    )
    .addOption(durationOption('--idle-timeout <duration>', 'without an octet either way', IDLE_TIMEOUT_MS))
    .addOption(
      durationOption('--drain-timeout <duration>', 'that connections get at SIGTERM', DRAIN_TIMEOUT_MS),
    )
    .addOption(
      new Option('--log-level <level>', 'least important lines that are shown')
        .choices(['Debug', 'Info', 'Warn', 'Error'])
        .default('Info'),
    )
    .addOption(
      new Option('--log-format <format>', 'one JSON object a line, or text for people')
        .choices(['JSON', 'Text'])
        .default('JSON'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  sluice proxy --listen 0.0.0.0:1080 --allow-client 10.0.0.0/8\n' +
        '  sluice proxy --listen 0.0.0.0:1080 --allow-client 10.0.0.0/8 --allow-source 192.0.2.0/28 --users users.yaml --tls-certificate tls.crt --tls-key tls.key\n',
    )
    .action(async (flags: ProxyFlags, command: Command) => {
      if (flags.allowClient === LOOPBACK && !flags.listen.every(({ host }) => isLoopback(host)))
        return command.error(
          'error: --allow-client is missing: whoever can connect could send mail from your addresses',
        );
      if ((flags.tlsCertificate === undefined) !== (flags.tlsKey === undefined))
        return command.error('error: --tls-certificate and --tls-key belong together');
      await runProxy(flags);
    });
}

async function runProxy(flags: ProxyFlags): Promise<void> {
  const users = flags.users === undefined ? [] : usersOf(flags.users);
  const { logLevel: level, logFormat: format, tlsCertificate, tlsKey } = flags;
  const logger = createLogger({ level, format });
  const metrics = createProxyMetrics();
  const stop = stopSignal();
  const server = await startProxy({
    listen: flags.listen,
    allowedClients: flags.allowClient,
    allowedSources: flags.allowSource,
    allowedPorts: new Set(flags.allowPort),
    allowedTargets: flags.allowTarget,
    users,
    ...(tlsCertificate !== undefined &&
      tlsKey !== undefined && { tls: { certificateFile: tlsCertificate, keyFile: tlsKey } }),
    limits: {
      maxConnections: flags.maxConnections,
      maxConnectionsPerClient: flags.maxConnectionsPerClient,
      handshakeTimeoutMs: flags.handshakeTimeout,
      connectTimeoutMs: flags.connectTimeout,
      idleTimeoutMs: flags.idleTimeout,
    },
    logger,
    report: metrics,
    nowMs: () => performance.now(),
  });
  metrics.watch(() => server.openRelayBytes());
  for (const { host, port: bound } of server.addresses)
    logger.info({ listener: 'proxy', address: host, port: bound }, 'listening');
  let draining = false;
  const admin = await startAdminServer({
    address: flags.admin,
    checks: [drainingCheck(() => draining)],
    metrics,
    logger,
  });
  logger.info({ listener: 'admin', address: admin.address.host, port: admin.address.port }, 'listening');
  await stop;
  draining = true;
  logger.info({ connections: server.connections }, 'draining: no new connections, open ones end');
  const cut = await server.drain(flags.drainTimeout);
  await admin.close();
  logger.info({ cut }, 'drained');
}

function usersOf(file: string): readonly ProxyUser[] {
  const loaded = loadProxyUsers(file);
  if ('problems' in loaded) throw new ProblemsFound(loaded.problems);
  return loaded.users;
}

/** A repeated SIGTERM changes nothing; a second Ctrl-C ends the process at once. */
function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.on('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
}

/** An option that collects: what is given replaces the default. */
function listOption<T>(flags: string, description: string, parse: (text: string) => T): Option {
  let given: readonly T[] = [];
  return new Option(flags, description).argParser((text: string) => {
    given = [...given, parse(text)];
    return given;
  });
}

function durationOption(flags: string, description: string, defaultMs: number): Option {
  return new Option(flags, description)
    .default(defaultMs, formatDuration(defaultMs))
    .argParser((text: string) => {
      const valueMs = parseDuration(text);
      if (valueMs !== undefined && valueMs > 0) return valueMs;
      throw new InvalidArgumentError('Write a duration, such as 30s or 15m.');
    });
}

function hostPort(text: string): HostPort {
  const parsed = parseHostPort(text);
  if (parsed !== undefined) return parsed;
  throw new InvalidArgumentError('Write an address with a port, such as 0.0.0.0:1080 or [::]:1080.');
}

function network(text: string): Network {
  const parsed = parseNetwork(text);
  if (parsed !== undefined) return parsed;
  throw new InvalidArgumentError('Write CIDR form, such as 10.0.0.0/8, 2001:db8::/32 or one address.');
}

function port(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 65_535) return value;
  throw new InvalidArgumentError('Write a number from 1 to 65535.');
}

function atLeastOne(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError('Write a whole number of at least 1.');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || LOOPBACK.some((each) => each.contains(host));
}
