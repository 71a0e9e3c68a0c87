import { existsSync } from 'node:fs';
import type { EgressConfig } from '@sluice/crds';
import type { Command } from 'commander';
import {
  compileFiles,
  DNS_ATTEMPTS,
  DNS_TIMEOUT_MS,
  loadSettings,
  NO_LIBRARY,
  providerLibrary,
  readGivenFiles,
  type Settings,
  SMTP_PORT,
  thisMachine,
} from '../config/mod.ts';
import { createRouter, type NoRoute, type Route, siteName } from '../route/mod.ts';
import { domainOf } from '../spool/mod.ts';
import { mailOf, silentPods } from './asked-pods.ts';
import { DEFAULT_ADMIN } from './directive-flags.ts';
import { type Explanation, explainMail, type MailFacts, type WayThere } from './explanation.ts';
import { explanationText } from './explanation-text.ts';
import { type LiveMail, liveMail } from './live-mail.ts';
import { liveMailText } from './live-mail-text.ts';
import { addNatsServerOptions, type NatsFlags, whomToAsk } from './nats-flags.ts';
import { ProblemsFound } from './problems-found.ts';
import { Tenants } from './tenants.ts';
import { NO_PROVIDERS } from './validate.ts';

interface ExplainFlags extends NatsFlags {
  readonly resources?: string;
  readonly tenant?: string;
  readonly class: string;
  readonly campaign: string;
  readonly from: string;
  readonly mx?: string;
  readonly providers: boolean;
  readonly live?: true;
  readonly source?: string;
  readonly admin?: readonly string[];
}

/** Read when neither --config nor --resources is given. */
const DEFAULT_CONFIG = 'sluice.yaml';

/** Adds `sluice explain`: what becomes of a mail, and which resource decided it. */
export function explain(program: Command): void {
  const command = program
    .command('explain')
    .summary('Say which pool, sources, options and limits a mail gets, and why')
    .description(
      'Says from which pool and sources mail to an address leaves, to which site and Group it goes, and each option and limit in force with ' +
        'the policy and layer that it comes from. Reads the files as they are. ' +
        'The MX is looked up with the DNS servers of the settings, unless --mx names it. ' +
        'With --live, --nats or --admin the running MTAs are asked as well: what the cluster holds of each limit, ' +
        'what holds the mail, and what the next message waits for. Without any files only they are.',
    )
    .argument('<recipient>', 'user@domain')
    .option('--config <file>', `the settings file (default: ${DEFAULT_CONFIG}, unless --resources is given)`)
    .option('--resources <dir>', 'directory of the resources (default: that of the settings)')
    .option('--tenant <name>', "tenant of the mail (default: the one that owns the sender's domain)")
    .option('--class <name>', 'class of the mail', '')
    .option('--campaign <name>', 'campaign of the mail', '')
    .option('--from <address>', 'envelope sender', '')
    .option('--mx <host,host>', 'best-preference MX hosts, in place of a look-up')
    .option(...NO_PROVIDERS)
    .option('--live', 'also ask the running MTAs, where the settings say that they are')
    .option('--source <name>', 'of the live part: only this source, its name or its public address')
    .option('--admin <address:port...>', `admin addresses of the MTAs to ask (default: ${DEFAULT_ADMIN})`);
  addNatsServerOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice explain alice@gmail.com\n' +
        '  $ sluice explain alice@gmail.com --tenant acme --class bulk --campaign sale\n' +
        '  $ sluice explain alice@corp.example --resources policies --mx corp-example.mail.protection.outlook.com --json\n' +
        '  $ sluice explain alice@gmail.com --live\n  $ sluice explain alice@gmail.com --nats nats://nats.mail:4222\n',
    )
    .action(async (recipient: string, flags: ExplainFlags, self: Command) => {
      const { json } = self.optsWithGlobals<{ json?: true }>();
      if (!/^.+@[^@]+$/.test(recipient)) self.error(`error: "${recipient}" is no address, user@domain`);
      const explanation = hasFiles(flags) ? await explanationOf(recipient, flags) : undefined;
      const live = wantsLive(flags) ? await liveOf(recipient, flags) : undefined;
      const texts = [
        ...(explanation === undefined ? [] : [explanationText(explanation)]),
        ...(live === undefined ? [] : [liveMailText(live)]),
      ];
      const facts = { ...explanation, ...(live !== undefined && { live }) };
      self.configureOutput().writeOut?.(json ? `${JSON.stringify(facts)}\n` : texts.join('\n'));
      if (live !== undefined && live.silent.length > 0) throw silentPods(live.silent);
    });
}

function wantsLive({ live, nats, admin }: ExplainFlags): boolean {
  return live === true || nats !== undefined || admin !== undefined;
}

/** Somebody who asks running MTAs need not have their files. */
function hasFiles(flags: ExplainFlags): boolean {
  const { config, resources } = flags;
  return config !== undefined || resources !== undefined || !wantsLive(flags) || existsSync(DEFAULT_CONFIG);
}

async function explanationOf(recipient: string, flags: ExplainFlags): Promise<Explanation> {
  const settings = settingsOf(flags);
  const hasLibrary = flags.providers && settings?.providers !== 'Disabled';
  const config = await configOf(flags.resources ?? (settings?.resourcesDirectory || '.'), hasLibrary);
  const domain = domainOf(recipient);
  const route = flags.mx === undefined ? await lookUp(domain, settings) : given(flags.mx);
  return explainMail(config, mailFacts(recipient, flags, settings), route);
}

/** The MTAs decide by their own settings which tenant a sender is. */
async function liveOf(recipient: string, flags: ExplainFlags): Promise<LiveMail> {
  const { from: sender, tenant, campaign, class: mailClass, source, nats, config, ...rest } = flags;
  const file = config ?? (existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined);
  const asked = whomToAsk({
    ...rest,
    ...(nats !== undefined ? { nats } : file !== undefined && { config: file }),
  });
  const { answers, silent } = await mailOf(asked, {
    domain: domainOf(recipient),
    sender,
    ...(tenant !== undefined && { tenant }),
    ...(campaign !== '' && { campaign }),
    ...(mailClass !== '' && { class: mailClass }),
    ...(source !== undefined && { source }),
  });
  return liveMail(answers, silent, Date.now());
}

function settingsOf({ config, resources }: ExplainFlags): Settings | undefined {
  if (config === undefined && resources !== undefined) return undefined;
  if (config === undefined && !existsSync(DEFAULT_CONFIG)) {
    const code = 'SLUICE_CONFIG_UNREADABLE';
    const what = `There is no ${DEFAULT_CONFIG} here.`;
    const cure = 'Name the settings with --config, or only the resources with --resources.';
    throw new ProblemsFound([{ code, file: '', field: '', what, cure }]);
  }
  const loaded = loadSettings(config ?? DEFAULT_CONFIG);
  if ('problems' in loaded) throw new ProblemsFound(loaded.problems);
  return loaded.settings;
}

/** With a mistake in a file nothing is explained: an MTA would keep last good forms that are not known here. */
async function configOf(directory: string, hasLibrary: boolean): Promise<EgressConfig> {
  const given = await readGivenFiles([directory]);
  const { compiled, problems } = compileFiles(given.resources, hasLibrary ? providerLibrary() : NO_LIBRARY);
  const all = [...given.problems, ...problems];
  if (all.length > 0) throw new ProblemsFound(all);
  return compiled.config;
}

function mailFacts(recipient: string, flags: ExplainFlags, settings: Settings | undefined): MailFacts {
  const { from: sender, campaign, class: mailClass } = flags;
  const tenants = settings === undefined ? undefined : new Tenants(settings);
  const owner = tenants?.resolve({ username: '', userTenant: '', sender, header: '' });
  const name = flags.tenant ?? owner ?? '';
  return {
    recipient,
    sender,
    tenant: { name, labels: tenants?.labels(name) ?? {} },
    campaign,
    class: mailClass,
  };
}

function given(mx: string): WayThere {
  const hosts = mx
    .split(',')
    .map((host) => host.trim().toLowerCase().replace(/\.$/, ''))
    .filter((name) => name !== '')
    .toSorted()
    .map((name) => ({ name, preference: 0, port: SMTP_PORT }));
  return { origin: 'given', site: siteName(hosts, SMTP_PORT), hosts };
}

async function lookUp(domain: string, settings: Settings | undefined): Promise<WayThere> {
  const router = createRouter({
    servers: settings?.dns.servers ?? thisMachine().dnsServers,
    timeoutMs: settings?.dns.timeoutMs ?? DNS_TIMEOUT_MS,
    attempts: settings?.dns.attempts ?? DNS_ATTEMPTS,
    smtpPort: settings?.smtpPort ?? SMTP_PORT,
    routes: settings?.routes ?? [],
    allowedTargets: settings?.allowedTargets ?? [],
    random: Math.random,
    nowMs: () => performance.now(),
  });
  try {
    return wayThere(await router.resolve(domain));
  } finally {
    router.close();
  }
}

/** Without what a `routes` entry keeps secret. */
function wayThere(found: Route | NoRoute): WayThere {
  if (found.kind !== 'route') {
    const { code, enhanced, text } = found.reply;
    return { noRoute: `${code} ${enhanced} ${text}` };
  }
  const { origin, site, hosts, tlsLevel } = found;
  return {
    origin,
    site,
    hosts: hosts.map(({ name, preference, port }) => ({ name, preference, port })),
    ...(tlsLevel === undefined ? {} : { tlsLevel }),
  };
}
