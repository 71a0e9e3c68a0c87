import type { HostPort, Logger, Settings } from '../config/mod.ts';
import {
  type AnswersOfPods,
  type CheckResult,
  type DirectivesOfOthers,
  type ReadinessCheck,
  startAdminServer,
} from '../control/mod.ts';
import { mergeListings } from '../dispatch/mod.ts';
import {
  fetchActivity,
  fetchDirectives,
  fetchListing,
  fetchMail,
  fetchMetrics,
  fetchPoison,
  fetchQueue,
  fetchReadiness,
  orderDirective,
  removeDirectives,
  retryPoison,
} from './admin-client.ts';
import { mergedMetrics } from './merged-metrics.ts';
import { mergedQueue } from './merged-queue.ts';
import type { WorkerSupervisor } from './worker-supervisor.ts';

/** Below the times that who asks waits: for a look of `sluice top`, and for an explanation. */
const ACTIVITY_TIMEOUT_MS = 700;
const MAIL_TIMEOUT_MS = 2_000;

type Workers = Pick<WorkerSupervisor, 'ready' | 'count' | 'restarts'>;

export interface WorkerAdmin {
  /** Where it listens: `admin`, and `probes` where the settings ask for it. */
  readonly addresses: Readonly<Record<string, HostPort>>;
  close(): Promise<void>;
}

/** Serves the admin API of several workers as that of one MTA, by asking each of them. */
export async function startWorkerAdmin(
  { adminAddress, probesAddress }: Pick<Settings, 'adminAddress' | 'probesAddress'>,
  workers: Workers,
  draining: () => boolean,
  logger: Logger,
): Promise<WorkerAdmin> {
  const all = <T>(ask: (admin: string) => Promise<T>): Promise<readonly T[]> =>
    Promise.all(workers.ready.map(({ admin }) => ask(admin)));
  const shown = {
    checks: [
      workersCheck(workers, draining),
      ...Array.from({ length: workers.count }, (_, index) => workerCheck(workers, index + 1)),
    ],
    metrics: {
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      async render() {
        const texts = await Promise.all(
          workers.ready.map(async ({ number, admin }) => ({
            worker: number,
            text: await fetchMetrics(admin),
          })),
        );
        return mergedMetrics(texts) + ownMetrics(workers);
      },
    },
    logger,
  };
  const admin = await startAdminServer({
    ...shown,
    address: adminAddress,
    queue: async (limit) => mergedQueue(await all((admin) => fetchQueue(admin)), limit),
    listing: async (by, filter) =>
      mergeListings((await all((admin) => fetchListing(admin, by, filter))).map(({ rows }) => rows)),
    activity: (rows) => each(workers, (admin) => fetchActivity(admin, rows, ACTIVITY_TIMEOUT_MS)),
    mail: (question) => each(workers, (admin) => fetchMail(admin, question, MAIL_TIMEOUT_MS)),
    poison: {
      held: () => each(workers, (admin) => fetchPoison(admin)),
      retry: async (ids) => (await all((admin) => retryPoison(admin, ids))).flat(),
    },
    directivesOfOthers: directivesOf(workers),
  });
  const probes =
    probesAddress === undefined ? undefined : await startAdminServer({ ...shown, address: probesAddress });
  return {
    addresses: { admin: admin.address, ...(probes && { probes: probes.address }) },
    close: async () => void (await Promise.all([admin.close(), probes?.close()])),
  };
}

/** What each worker answers; one that does not is named and stops nobody. */
async function each<Answer>(
  workers: Workers,
  fetchFrom: (admin: string) => Promise<AnswersOfPods<Answer>>,
): Promise<AnswersOfPods<Answer>> {
  const found = await Promise.all(
    Array.from({ length: workers.count }, async (_, index): Promise<AnswersOfPods<Answer>> => {
      const missing = { answers: [], silent: [`worker ${index + 1}`] };
      const worker = workers.ready.find(({ number }) => number === index + 1);
      return worker === undefined ? missing : fetchFrom(worker.admin).catch(() => missing);
    }),
  );
  return {
    answers: found.flatMap(({ answers }) => answers),
    silent: found.flatMap(({ silent }) => silent),
  };
}

/** Some worker is ready: mail may come. */
function workersCheck(workers: Workers, draining: () => boolean): ReadinessCheck {
  return {
    name: 'workers',
    async run() {
      if (draining()) return { status: 'failing', detail: 'this MTA is shutting down' };
      const answers = await Promise.all(workers.ready.map(({ admin }) => readinessOf(admin)));
      const ready = answers.filter((answer) => answer?.ready === true).length;
      const detail = `${ready} of ${workers.count} workers are ready`;
      if (ready === 0) return { status: 'failing', detail };
      return { status: ready < workers.count ? 'degraded' : 'ok', detail };
    },
  };
}

/** What is wrong with one worker; others may take mail, so it never makes all of them unready. */
function workerCheck(workers: Workers, number: number): ReadinessCheck {
  return {
    name: `worker ${number}`,
    async run(): Promise<CheckResult> {
      const worker = workers.ready.find((each) => each.number === number);
      const answer = worker === undefined ? undefined : await readinessOf(worker.admin);
      if (answer === undefined)
        return { status: 'degraded', detail: 'it is not running, or does not answer' };
      const wrong = answer.checks.filter(({ status }) => status !== 'ok');
      if (wrong.length === 0) return { status: 'ok', detail: 'all is well' };
      return {
        status: 'degraded',
        detail: wrong.map(({ name, detail }) => `${name}: ${detail}`).join('; '),
      };
    },
  };
}

async function readinessOf(admin: string) {
  try {
    return await fetchReadiness(admin);
  } catch {
    return undefined;
  }
}

function ownMetrics({ ready, count, restarts }: Workers): string {
  return [
    '# HELP sluice_workers Worker processes, by whether they run.',
    '# TYPE sluice_workers gauge',
    `sluice_workers{state="ready"} ${ready.length}`,
    `sluice_workers{state="missing"} ${count - ready.length}`,
    '# HELP sluice_worker_restarts_total Workers that ended and were started again.',
    '# TYPE sluice_worker_restarts_total counter',
    `sluice_worker_restarts_total ${restarts}`,
    '',
  ].join('\n');
}

/** Workers share their directives over NATS: any of them speaks for all. */
function directivesOf(workers: Workers): DirectivesOfOthers {
  const any = (): string => {
    const [first] = workers.ready;
    if (first === undefined) throw new Error('no worker is ready');
    return first.admin;
  };
  return {
    list: async () => fetchDirectives(any()),
    order: async (order) => orderDirective(any(), order),
    remove: async (removal) => removeDirectives(any(), removal),
  };
}
