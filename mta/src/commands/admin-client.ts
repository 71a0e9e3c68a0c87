import { SluiceError } from '@sluice/crds';
import { z } from 'zod';
import {
  type AnsweredActivity,
  type AnsweredMail,
  type AnsweredPoison,
  type AnswersOfPods,
  answeredPoisonSchema,
  laneViewSchema,
  listingRowSchema,
  mailViewSchema,
  type PodState,
  podActivitySchema,
  podStateSchema,
  retriedSchema,
} from '../control/mod.ts';
import {
  LISTING_KEYS,
  type ListingFilter,
  type ListingKey,
  type ListingRow,
  type MailQuestion,
  type QueueView,
} from '../dispatch/mod.ts';
import { type DirectiveEffect, type DirectiveType, directiveSchema, type Selector } from '../react/mod.ts';

/** An MTA that says nothing for so long is reported as unreachable, milliseconds. */
export const ADMIN_TIMEOUT_MS = 10_000;

/** Below the time that a check of readiness has itself. */
const READY_TIMEOUT_MS = 700;

/** Most rows that one MTA is asked for. */
export const MAX_ROWS = 10_000;

const count = z.int().min(0);
const listingSchema = z.object({
  by: z.enum(LISTING_KEYS),
  total: count,
  rows: z.array(listingRowSchema),
  poisoned: count,
});

export interface FetchedListing {
  readonly rows: readonly ListingRow[];
  /** Rows that the MTA had beyond those. */
  readonly left: number;
  /** Messages that it holds as poison. */
  readonly poisoned: number;
}

/** `127.0.0.1:9025` or a whole URL. */
function adminUrl(admin: string, path: string): URL {
  return new URL(`${/^https?:/.test(admin) ? admin : `http://${admin}`}${path}`);
}

/** One request to an MTA, its JSON answer as the schema has it. */
async function ask<T>(url: URL, schema: z.ZodType<T>, init: RequestInit = {}): Promise<T> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(ADMIN_TIMEOUT_MS), ...init });
    if (!response.ok) throw refusalIn(url, response.status, await response.text());
    return schema.parse(await response.json());
  } catch (error) {
    if (error instanceof SluiceError) throw error;
    throw new SluiceError(
      'SLUICE_ADMIN_UNREACHABLE',
      { url: url.origin, reason: reasonOf(error) },
      {},
      error,
    );
  }
}

const refusal = z.object({ error: z.string(), cure: z.string() });

/** What the MTA says for people, or what it answered. */
function refusalIn({ origin }: URL, status: number, text: string): Error {
  try {
    const { error, cure } = refusal.parse(JSON.parse(text));
    return new SluiceError('SLUICE_ADMIN_REFUSED', { url: origin, reason: error.replace(/\.$/, ''), cure });
  } catch {
    return new Error(`it answers ${status} ${text}`);
  }
}

const chosen = z.object({ groups: count, recipients: count, pods: count, silent: z.array(z.string()) });
const listed = z.object({ directives: z.array(directiveSchema), trouble: z.exactOptional(z.string()) });
const ordered = z.object({ directive: directiveSchema, chosen, dryRun: z.boolean() });
const removed = z.object({
  directives: z.array(directiveSchema),
  dryRun: z.boolean(),
  chosen: z.exactOptional(chosen),
});

export type OrderedDirective = z.infer<typeof ordered>;

/** The directives that an MTA obeys, and why they may not be all of the cluster's. */
export function fetchDirectives(admin: string): Promise<z.infer<typeof listed>> {
  return ask(adminUrl(admin, '/directives'), listed);
}

/** Puts a directive in force, or with `dryRun` only counts what it would touch. */
export function orderDirective(
  admin: string,
  order: {
    readonly effect: DirectiveEffect;
    readonly selector: Selector;
    readonly reason: string;
    readonly forMs: number;
    readonly dryRun: boolean;
  },
): Promise<OrderedDirective> {
  return ask(adminUrl(admin, '/directives'), ordered, jsonRequest('POST', order));
}

/** Takes back the directives of these types whose selector has all of these values; resolves with them, and with `dryRun` how much mail they touch. */
export function removeDirectives(
  admin: string,
  removal: {
    readonly types: readonly DirectiveType[];
    readonly selector: Readonly<Record<string, string>>;
    readonly limitName?: string;
    readonly dryRun: boolean;
  },
): Promise<z.infer<typeof removed>> {
  return ask(adminUrl(admin, '/directives'), removed, jsonRequest('DELETE', removal));
}

function jsonRequest(method: string, body: unknown): RequestInit {
  return { method, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}

/**
 * Asks an MTA for its queue.
 *
 * @throws {SluiceError} `SLUICE_ADMIN_UNREACHABLE`
 *
 * Example: `const { rows } = await fetchListing('127.0.0.1:9025', 'Tenant', {})`
 */
export async function fetchListing(
  admin: string,
  by: ListingKey,
  filter: ListingFilter,
): Promise<FetchedListing> {
  const url = adminUrl(admin, '/queue/list');
  url.search = new URLSearchParams({ by, limit: String(MAX_ROWS), ...filter }).toString();
  const { rows, total, poisoned } = await ask(url, listingSchema);
  return { rows, left: total - rows.length, poisoned };
}

const silent = z.array(z.string());
const answeredMail = z.object({
  answers: z.array(z.object({ pod: podStateSchema, mail: mailViewSchema })),
  silent,
});
const answeredActivity = z.object({
  answers: z.array(z.object({ pod: podStateSchema, activity: podActivitySchema })),
  silent,
});

/** Asks the pods behind an admin address what stands between mail of one kind and its host. */
export function fetchMail(
  admin: string,
  question: MailQuestion,
  timeoutMs: number,
): Promise<AnswersOfPods<AnsweredMail>> {
  const url = adminUrl(admin, '/mail');
  url.search = new URLSearchParams({ ...question }).toString();
  return ask(url, answeredMail, { signal: AbortSignal.timeout(timeoutMs) });
}

/** Asks the pods behind an admin address what happens now. */
export function fetchActivity(
  admin: string,
  rows: number,
  timeoutMs: number,
): Promise<AnswersOfPods<AnsweredActivity>> {
  const signal = AbortSignal.timeout(timeoutMs);
  return ask(adminUrl(admin, `/activity?rows=${rows}`), answeredActivity, { signal });
}

/** Asks the pods behind an admin address what they hold as poison. */
export function fetchPoison(admin: string): Promise<AnswersOfPods<AnsweredPoison>> {
  return ask(adminUrl(admin, '/queue/poison'), answeredPoisonSchema);
}

/** Has messages that are held as poison queued again, absent = all; resolves with the ids of those that were held there. */
export async function retryPoison(
  admin: string,
  ids: readonly string[] | undefined,
): Promise<readonly string[]> {
  const order = ids === undefined ? { all: true } : { ids };
  const url = adminUrl(admin, '/queue/poison/retry');
  return (await ask(url, retriedSchema, jsonRequest('POST', order))).queued;
}

/** Asks an MTA about itself. */
export function fetchPod(admin: string): Promise<PodState> {
  return ask(adminUrl(admin, '/pod'), podStateSchema);
}

const queueSchema: z.ZodType<QueueView> = z.object({ entries: count, lanes: z.array(laneViewSchema) });

/** The lanes of an MTA. */
export function fetchQueue(admin: string): Promise<QueueView> {
  return ask(adminUrl(admin, `/queue?limit=${MAX_ROWS}`), queueSchema);
}

const readinessSchema = z.object({
  ready: z.boolean(),
  checks: z.array(
    z.object({ name: z.string(), status: z.enum(['ok', 'degraded', 'failing']), detail: z.string() }),
  ),
});

/** What `/readyz` says; 503 is an answer. */
export async function fetchReadiness(admin: string) {
  const response = await fetch(adminUrl(admin, '/readyz'), { signal: AbortSignal.timeout(READY_TIMEOUT_MS) });
  return readinessSchema.parse(await response.json());
}

/** The metrics of an MTA, Prometheus text format. */
export async function fetchMetrics(admin: string): Promise<string> {
  const response = await fetch(adminUrl(admin, '/metrics'), {
    signal: AbortSignal.timeout(ADMIN_TIMEOUT_MS),
  });
  return response.text();
}

/** `fetch` hides what happened in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof z.ZodError) return 'it is no Sluice of this version';
  return error.cause instanceof Error ? error.cause.message : error.message;
}
