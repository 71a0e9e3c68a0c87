#!/usr/bin/env -S node --max-semi-space-size=8 --heap-growing-percent=40
// The flags keep V8 from holding freed memory for later: ADR 0005.
import { SluiceError } from '@sluice/crds';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import pino from 'pino';
import packageJson from '../package.json' with { type: 'json' };
import { inClusterAccess, kubeconfigAccess } from './kube/mod.ts';
import { type NatsFlags, natsOf } from './nats-flags.ts';
import { startOperator } from './operator.ts';
import { givenResources, providerLibrary, withGiven } from './reconcile/mod.ts';

/** Longest name of a release, characters: what is added to it must still be a name. */
const MAX_RELEASE = 50;

const DEFAULT_HEALTH = { host: '0.0.0.0', port: 8081 };

const program = new Command('sluice-operator')
  .description(
    'Compiles the EgressPools and ShapingPolicies of a namespace, or of each one, to ConfigMaps that pods of Sluice read, and writes to each what became of it. Several may run: one writes.',
  )
  .version(packageJson.version)
  .option(
    '--namespace <name>',
    'of the resources and the ConfigMaps; default: that of the service account or the kubeconfig',
  )
  .option(
    '--all-namespaces',
    'look after each namespace that has resources, as a world of its own; --namespace is that of the Lease',
  )
  .option('--kubeconfig <file>', 'how to reach the cluster; default: the service account of this pod')
  .option(
    '--name <release>',
    'first part of the names of ConfigMaps and Lease, and value of their label',
    releaseName,
    'sluice',
  )
  .option('--no-providers', 'leave the provider library that comes with Sluice out')
  .option(
    '--resources <directory>',
    'YAML files with resources that come with the installation; one in the cluster of the same kind and name takes its place',
  )
  .option(
    '--nats <url...>',
    'NATS of the pods, nats://host:port: without it no status says which pods run a resource',
  )
  .option('--nats-prefix <name>', 'begins their subjects, as spec.spool.jetstream.prefix', 'sluice')
  .option('--nats-creds <file>', 'user JWT and seed, as nsc writes it')
  .option('--nats-user <name>', 'NATS user; with --nats-password-file')
  .option('--nats-password-file <file>', 'file that holds its password')
  .option('--nats-token-file <file>', 'file that holds a token')
  .option('--nats-nkey-seed <file>', 'file that holds the seed of a user nkey')
  .option('--nats-ca <file>', 'certificates of the CAs of the servers, PEM')
  .option('--nats-certificate <file>', 'own certificate, PEM; with --nats-key')
  .option('--nats-key <file>', 'its private key, PEM')
  .option('--health <host:port>', 'address of /livez, /readyz and /metrics; default: 0.0.0.0:8081', hostPort)
  .addOption(
    new Option('--log-level <level>', 'least important lines that are shown')
      .choices(['debug', 'info', 'warn', 'error'])
      .default('info'),
  )
  .exitOverride()
  .addHelpText('after', '\nExample:\n  $ sluice-operator --kubeconfig ~/.kube/config --namespace mail\n');

// What a library left open must not keep an operator that has released its lease.
process.exit(await main());

async function main(): Promise<number> {
  try {
    await run(program.parse().opts());
    return 0;
  } catch (error) {
    // Of what no option says alone; what one says wrongly commander has told.
    if (error instanceof InvalidArgumentError) process.stderr.write(`error: ${error.message}\n`);
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof SluiceError) {
      const place = error.place.file === undefined ? '' : `${error.place.file}: `;
      process.stderr.write(`${place}${error.message} [${error.code}]\n  cure: ${error.cure}\n`);
      return 1;
    }
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    return 1;
  }
}

async function run(
  options: NatsFlags & {
    readonly namespace?: string;
    readonly allNamespaces?: true;
    readonly resources?: string;
    readonly kubeconfig?: string;
    readonly name: string;
    readonly providers: boolean;
    readonly health?: { readonly host: string; readonly port: number };
    readonly logLevel: string;
  },
): Promise<void> {
  const { kubeconfig, name, providers, health = DEFAULT_HEALTH, logLevel } = options;
  const nats = natsOf(options);
  // Before anything is started: a signal that comes meanwhile must still release the lease.
  const stop = new Promise<void>((resolve) => {
    process.on('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
  const access =
    kubeconfig === undefined ? await inClusterAccess(process.env) : await kubeconfigAccess(kubeconfig);
  const logger = pino(
    {
      level: logLevel,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: false }),
  );
  const library = withGiven(
    providers ? providerLibrary() : [],
    options.resources === undefined ? [] : givenResources(options.resources),
  );
  const operator = await startOperator({
    access,
    namespace: options.namespace ?? access.namespace ?? 'default',
    scope: options.allNamespaces === true ? 'AllNamespaces' : 'Namespace',
    release: name,
    library,
    ...nats,
    health,
    logger,
  });
  await stop;
  await operator.stop();
}

function releaseName(text: string): string {
  if (text.length <= MAX_RELEASE && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text)) return text;
  throw new InvalidArgumentError(`It takes lower-case letters, digits and hyphens, at most ${MAX_RELEASE}.`);
}

function hostPort(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || Number(port) > 65_535)
    throw new InvalidArgumentError('It takes HOST:PORT, as 127.0.0.1:8081.');
  return { host, port: Number(port) };
}
