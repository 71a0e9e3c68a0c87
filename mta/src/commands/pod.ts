import { readFileSync } from 'node:fs';
import {
  type HostPort,
  type Logger,
  NO_LIBRARY,
  providerLibrary,
  type ResourceState,
  type SecretFiles,
  type Settings,
  type SmtpListenerSettings,
  watchConfigMaps,
  watchResources,
} from '../config/mod.ts';
import {
  configurationCheck,
  drainingCheck,
  eventsCheck,
  listenerCheck,
  MAX_POISONED_ROWS,
  type QuestionAnswers,
  spoolCheck,
  startAdminServer,
} from '../control/mod.ts';
import { ClientCertificates, createOpenSession } from '../deliver/mod.ts';
import {
  createReporter,
  Dispatcher,
  MAX_RESIDENT_BYTES,
  type MailQuestion,
  monotonicWallClock,
  type ReportOptions,
} from '../dispatch/mod.ts';
import { createDial, proxyAddresses, WayHealth, watchedDial } from '../egress/mod.ts';
import { type Rejection, type SmtpListener, startSmtpListener } from '../intake/mod.ts';
import { createMetrics } from '../report/mod.ts';
import { createRouter } from '../route/mod.ts';
import { createShaper } from '../shape/mod.ts';
import { reportEgress } from './egress-report.ts';
import { type FollowedListener, followListenerFiles } from './listener-files.ts';
import { ListenerUsers } from './listener-users.ts';
import { MemoryGauge } from './memory-gauge.ts';
import { ownActivity } from './own-activity.ts';
import { configFacts, joinQuestions, podStateOf } from './pod-cluster.ts';
import { directivesCheck, openPodDirectives } from './pod-directives.ts';
import { openEvents } from './pod-events.ts';
import { openPodSpool } from './pod-spool.ts';
import { followCredentials } from './proxy-credentials.ts';
import { limitsCheck, openSharedLimits } from './shared-limits.ts';
import { createSigning } from './signing.ts';
import { createSubmit } from './submit.ts';
import { Tenants } from './tenants.ts';

/** A running MTA: everything between an SMTP client and the hosts that take its mail. */
export interface Pod {
  /** Where its admin API listens. */
  readonly admin: HostPort;
  /** Not ready, stops listening, finishes open transactions, records their outcomes, closes the store. */
  drain(): Promise<void>;
}

export interface PodOptions {
  readonly version?: string;
  /** Other processes listen on the same ports. */
  readonly sharePorts?: boolean;
}

/**
 * Builds a pod from its settings and starts it: the store first, then what it holds is queued, then listeners open.
 *
 * @throws {SluiceError} for what the user can mend: a locked spool, an address in use, a certificate that cannot be read
 *
 * Example: `const pod = await startPod(settings, secrets, logger); await pod.drain();`
 */
export async function startPod(
  settings: Settings,
  secrets: SecretFiles,
  logger: Logger,
  { version = '', sharePorts = false }: PodOptions = {},
): Promise<Pod> {
  const metrics = createMetrics();
  const events = await openEvents(settings, logger);
  const tenants = new Tenants(settings);
  const classes = new Map(settings.classes.map(({ name, priority }) => [name, priority]));
  const memory = new MemoryGauge(settings.memory.maxBytes, settings.memory.lowWaterPercent);
  const { spool, cluster, minFreeBytes, lastGoodFile } = await openPodSpool(settings, logger);
  const watched = {
    settings,
    ...(lastGoodFile !== undefined && { lastGoodFile }),
    logger,
    onChange: ({ config }: ResourceState) => dispatcher.reconfigure(config),
    onNews: (state: ResourceState) => cluster?.tell(configFacts(state)),
  };
  const resources =
    settings.configMaps === undefined
      ? await watchResources({
          ...watched,
          directory: settings.resourcesDirectory,
          library: settings.providers === 'Enabled' ? providerLibrary() : NO_LIBRARY,
        })
      : await watchConfigMaps({
          ...watched,
          configMaps: settings.configMaps,
          environment: process.env,
        });
  const certificates = new ClientCertificates(settings.certificates, () => performance.now(), {
    reloaded: (certificate) => logger.info({ certificate }, 'certificate changed'),
    unusable: (certificate, reason) =>
      logger.error({ certificate, reason }, 'certificate cannot be used, the one of before goes on'),
  });
  const reporter = createReporter(metrics, events, logger);
  const router = createRouter({
    servers: settings.dns.servers,
    timeoutMs: settings.dns.timeoutMs,
    attempts: settings.dns.attempts,
    smtpPort: settings.smtpPort,
    routes: settings.routes,
    allowedTargets: settings.allowedTargets,
    random: Math.random,
    nowMs: () => performance.now(),
  });
  const credentials = new Map(settings.credentials);
  const followedCredentials = followCredentials(credentials, secrets, logger);
  const ways = new WayHealth();
  const dial = watchedDial(
    createDial({
      credentials,
      ...(settings.proxyCa === undefined ? {} : { proxyCa: settings.proxyCa }),
      lookUp: proxyAddresses(router),
      random: Math.random,
      nowMs: () => performance.now(),
    }),
    ways,
    () => monotonicWallClock.nowMs(),
  );
  const signing = createSigning(settings.dkim, metrics, logger);
  const [directives, limits] = await Promise.all([
    openPodDirectives(settings, lastGoodFile, logger),
    openSharedLimits(settings, logger, () => dispatcher.fence()),
  ]);
  const dispatcher = new Dispatcher({
    config: resources.state.config,
    spool,
    router,
    createShaper: (signals) =>
      createShaper({ ...signals, client: settings.hostname, allocation: limits?.allocation }),
    openSession: createOpenSession({
      nowMs: () => performance.now(),
      findCertificate: (name) => certificates.find(name),
    }),
    dial: (source, address, port, timeoutMs, signal) => dial(source, { address, port }, timeoutMs, signal),
    ...(signing === undefined ? {} : { signing }),
    report: reporter,
    directives,
    ...(limits !== undefined && { hits: limits.allocation }),
    clock: monotonicWallClock,
    random: Math.random,
    tenantLabels: (tenant) => tenants.labels(tenant),
    classPriority: (name) => classes.get(name) ?? 0,
    residentBytes: Math.min(MAX_RESIDENT_BYTES, Math.floor(settings.memory.maxBytes * RESIDENT_SHARE)),
    reports: {
      ...reportOptions(settings),
      submit: (envelope, body) => submit.own(envelope, body),
    },
  });
  const submit = createSubmit({ dispatcher, signing, metrics, logger });
  const recovered = await dispatcher.recover((messages) => logger.info({ messages }, 'reading the spool'));
  if (recovered > 0) logger.info({ messages: recovered }, 'mail of before is queued again');

  let draining = false;
  const pressure = (): Rejection | undefined => {
    if (memory.low) return { code: 452, enhanced: '4.3.1', text: 'Insufficient memory, try again later' };
    if (spool.usage().freeBytes < minFreeBytes)
      return { code: 452, enhanced: '4.3.1', text: 'Insufficient disk space, try again later' };
    return undefined;
  };
  const listeners: (FollowedListener & { readonly running: SmtpListener })[] = [];
  const closeFirst: (() => void)[] = [() => followedCredentials.close()];
  const closeLast: (() => Promise<void>)[] = [];
  const end = async (graceMs: number): Promise<void> => {
    draining = true;
    for (const close of closeFirst) close();
    logger.info({}, 'draining: no new mail, open transactions end');
    // Side by side: a client that drips its message and a provider that is slow share one grace. What is taken meanwhile is stored.
    await Promise.all([...listeners.map(({ running }) => running.close(graceMs)), dispatcher.drain(graceMs)]);
    router.close();
    resources.close();
    await limits?.close();
    await spool.close();
    await directives.close();
    await events.close();
    for (const close of closeLast) await close();
    metrics.close();
    memory.close();
    logger.info({}, 'drained');
  };
  try {
    for (const listener of settings.smtpListeners) {
      const users = new ListenerUsers(listener.auth?.users ?? []);
      const options = listenerOptions(listener, users, tenants, settings, pressure);
      const running = await startSmtpListener({ ...options, sharePort: sharePorts }, submit.client, {
        connectionOpened: () => metrics.clientConnected(),
        connectionClosed: () => metrics.clientDisconnected(),
        refused: (reply, mail) => {
          metrics.rejected(reply.code);
          if (!events.wants || mail.sender === '') return;
          events.emit({
            type: 'rejected',
            time: new Date().toISOString(),
            id: mail.id,
            sender: mail.sender,
            recipients: mail.recipients,
            phase: mail.phase,
            reply: { code: reply.code, enhanced: reply.enhanced, text: reply.text },
            origin: mail.origin,
          });
        },
        failed: (error) =>
          logger.error(
            { reason: error instanceof Error ? (error.stack ?? error.message) : String(error) },
            'intake failed',
          ),
      });
      listeners.push({ settings: listener, running, users });
      logger.info({ listener: listener.name, address: running.address, port: running.port }, 'listening');
    }
    const followed = followListenerFiles(listeners, secrets, logger);
    closeFirst.push(() => followed.close());
    metrics.watch({
      queue: () => dispatcher.gauges(),
      spool: () => spool.usage(),
      ...(cluster !== undefined && {
        cluster: () => ({ ...cluster.counts, sessions: cluster.living().length }),
      }),
      config: () => resources.state,
      limits: () => limits?.state(),
      directivesHeard: () => (limits === undefined ? undefined : directives.trouble === undefined),
      eventsDropped: () => events.dropped,
      directives: () =>
        directives.set.directives.map(({ effect, origin }) => ({ effect: effect.type, origin })),
    });
    const checks = [
      configurationCheck(() => resources.state),
      spoolCheck(() => spool.usage(), minFreeBytes, cluster),
      listenerCheck(() =>
        draining ? [] : listeners.map(({ running: { address, port } }) => `${address}:${port}`),
      ),
      ...(limits === undefined ? [] : [limitsCheck(() => limits.state()), directivesCheck(directives)]),
      drainingCheck(() => draining),
      ...(settings.events.jetstream === undefined ? [] : [eventsCheck(() => events.trouble)]),
    ];
    const pod = podStateOf({
      hostname: settings.hostname,
      version,
      spool,
      checks,
      resources: () => resources.state,
      groups: () => dispatcher.queued,
      draining: () => draining,
      limits: () => limits?.state(),
    });
    const listing: QuestionAnswers['listing'] = (by, filter) => dispatcher.listing(by, filter);
    const activity: QuestionAnswers['activity'] = (rows) => ownActivity(dispatcher, metrics, rows);
    const mail: QuestionAnswers['mail'] = (question) =>
      dispatcher.mailView(withTenant(question, tenants), ROUTE_WITHIN_MS);
    const poison: QuestionAnswers['poison'] = () => {
      const messages = dispatcher.poisoned();
      return { messages: messages.slice(0, MAX_POISONED_ROWS), total: messages.length };
    };
    const chosenBy: QuestionAnswers['chosenBy'] = (selectors) => dispatcher.chosenBy(selectors);
    const questions = await joinQuestions(
      settings,
      spool,
      { pod, listing, chosenBy, mail, activity, poison },
      logger,
    );
    closeLast.push(() => questions.close());
    const admin = await startAdminServer({
      address: settings.adminAddress,
      checks,
      pod,
      metrics,
      queue: (limit) => dispatcher.view(limit),
      listing,
      activity: async (rows) => ({ answers: [{ pod: await pod(), activity: activity(rows) }], silent: [] }),
      mail: async (question) => ({
        answers: [{ pod: await pod(), mail: await mail(question) }],
        silent: [],
      }),
      poison: {
        held: async () => ({ answers: [{ pod: await pod(), poison: poison() }], silent: [] }),
        retry: (ids) => dispatcher.retryPoisoned(ids),
      },
      directives: {
        store: directives,
        chosenBy: (selectors) => questions.chosenBy(selectors),
        nowMs: () => monotonicWallClock.nowMs(),
      },
      logger,
    });
    closeLast.push(() => admin.close());
    if (settings.probesAddress !== undefined) {
      const probes = await startAdminServer({ address: settings.probesAddress, checks, metrics, logger });
      closeLast.push(() => probes.close());
      const { host: address, port } = probes.address;
      logger.info({ listener: 'probes', address, port }, 'listening');
    }
    cluster?.tell({ ...configFacts(resources.state), version, state: 'ready' });
    if (cluster !== undefined) {
      const nowMs = () => monotonicWallClock.nowMs();
      closeFirst.push(
        reportEgress({
          health: ways,
          directives: () => directives.set,
          nowMs,
          say: (bytes) => cluster.report(bytes),
        }),
      );
    }
    logger.info({ listener: 'admin', address: admin.address.host, port: admin.address.port }, 'listening');

    return { admin: admin.address, drain: () => end(settings.drainTimeoutMs) };
  } catch (error) {
    // Mail of before is being sent by now: it must not go on behind an error that ends the command.
    await end(0);
    throw error;
  }
}

/** A domain whose route is not known is looked up for so long when somebody asks about its mail, milliseconds; below the time that askers wait. */
const ROUTE_WITHIN_MS = 1_000;

/** Mail of a sender whose domain a tenant owns is that tenant's. */
function withTenant(question: MailQuestion, tenants: Tenants): MailQuestion {
  if (question.tenant !== undefined || question.sender === '') return question;
  const tenant = tenants.resolve({ username: '', userTenant: '', sender: question.sender, header: '' });
  return tenant === '' ? question : { ...question, tenant };
}

/** Share of the memory bound that queued envelopes and bodies may occupy. */
const RESIDENT_SHARE = 0.25;

function reportOptions({ dsn, hostname, tenants }: Settings): ReportOptions {
  const { reports, delayed, from, maxReturnedBytes, delayedAfterMs } = dsn;
  const ofTenants = new Map<string, 'Enabled' | 'OnRequest'>();
  for (const tenant of tenants) if (tenant.reports !== undefined) ofTenants.set(tenant.name, tenant.reports);
  return {
    rules: { reports, delayed, tenants: ofTenants },
    hostname,
    from,
    maxReturnedBytes,
    delayedAfterMs,
  };
}

function listenerOptions(
  listener: SmtpListenerSettings,
  users: ListenerUsers,
  tenants: Tenants,
  settings: Settings,
  pressure: () => Rejection | undefined,
): Parameters<typeof startSmtpListener>[0] {
  const { address, auth, tls, limits } = listener;
  return {
    ...endpoint(address),
    hostname: listener.hostname,
    ...(tls === undefined
      ? {}
      : { tls: { mode: tls.mode, key: readFileSync(tls.keyFile), cert: readFileSync(tls.certificateFile) } }),
    ...(auth === undefined
      ? {}
      : {
          auth: { findUser: (username) => users.find(username), requireTls: auth.requireTls === 'Enabled' },
        }),
    relayNetworks: listener.relayNetworks.map((network) => network.text),
    proxyNetworks: listener.proxyTrustedNetworks.map((network) => network.text),
    limits: {
      maxMessageBytes: limits.maxMessageBytes,
      maxRecipients: limits.maxRecipients,
      maxConnections: limits.maxConnections,
      maxConnectionsPerClient: limits.maxConnectionsPerClient,
      maxMessagesPerConnection: limits.maxMessagesPerConnection,
      idleTimeoutMs: limits.idleTimeoutMs,
      commandTimeoutMs: limits.commandTimeoutMs,
      maxReceivingBytes: Math.max(
        limits.maxMessageBytes * 2,
        Math.floor(settings.memory.maxBytes * RESIDENT_SHARE),
      ),
    },
    bareLineEnding: listener.bareLineEnding,
    dsn: listener.dsn === 'Enabled' && settings.dsn.reports !== 'Disabled',
    headers: listener.headers,
    resolveTenant: (facts) => tenants.resolve(facts),
    pressure,
  };
}

function endpoint({ host, port }: HostPort): { readonly host: string; readonly port: number } {
  return { host, port };
}
