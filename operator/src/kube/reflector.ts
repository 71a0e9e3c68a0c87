import type { ApiClient, ApiStream } from './api-client.ts';
import { type ApiFailure, unreachable } from './api-result.ts';
import { Backoff } from './backoff.ts';
import {
  bookmark,
  type KubeObject,
  kubeList,
  kubeObject,
  watchError,
  watchEvent,
  withoutManagedFields,
} from './kube-object.ts';
import type { Logger } from './logger.ts';
import { pause } from './pause.ts';
import type { WatchedCollection } from './watched-collection.ts';

/** Objects in one page of a list. */
export const PAGE_SIZE = 500;

/** How long a reflector waits for what; milliseconds. The numbers of client-go where it has the same. */
export interface ReflectorTiming {
  /** Answer to one page of a list; slow API servers take seconds. */
  readonly listTimeoutMs: number;
  /** The server ends a watch after a time between this and twice this, so that not all watches of a cluster end together. */
  readonly watchTimeoutMs: number;
  /** A watch that says nothing for so long is taken for dead, and another one is opened. The API server sends a bookmark about once a minute. */
  readonly silenceMs: number;
  readonly minBackoffMs: number;
  readonly maxBackoffMs: number;
  /** A watch that lived so long was in order: the back-off begins anew. */
  readonly healthyMs: number;
}

export const REFLECTOR_TIMING: ReflectorTiming = {
  listTimeoutMs: 60_000,
  watchTimeoutMs: 300_000,
  silenceMs: 100_000,
  minBackoffMs: 400,
  // Not client-go's 30 s: when an API server is back, nobody wants to wait half a minute for the first change to count.
  maxBackoffMs: 4_000,
  healthyMs: 10_000,
};

export interface ReflectorOptions {
  readonly client: ApiClient;
  /** Of the collection: `/api/v1/namespaces/mail/configmaps`. */
  readonly path: string;
  readonly labelSelector?: string;
  /** What tells objects apart; default: their name, which is enough within a namespace. */
  readonly keyOf?: (object: KubeObject) => string;
  /** Names (or what `keyOf` says) whose objects are other ones now, come, or gone; every name after a list. Must not throw; if it does, the log tells it. */
  readonly onChange: (names: readonly string[]) => void;
  readonly logger: Logger;
  readonly random: () => number;
  readonly nowMs: () => number;
  readonly timing?: ReflectorTiming;
}

/** Why a list or a watch ended. */
type StepEnd =
  | { readonly type: 'Ended' }
  | { readonly type: 'Relist'; readonly reason: string }
  | { readonly type: 'Failed'; readonly failure: ApiFailure };

/**
 * Keeps a copy of one collection of objects: lists it in pages, then watches it, for ever. Whatever the API server does — errors, silence, a version that is
 * too old — it begins again, with a back-off; only `stop` ends it.
 *
 * Example: `const pools = new Reflector({ client, path, onChange, … }); pools.start(); … pools.objects.get('shared-a')`
 */
export class Reflector implements WatchedCollection {
  readonly #options: ReflectorOptions;
  readonly #keyOf: (object: KubeObject) => string;
  readonly #timing: ReflectorTiming;
  /** Of failures: an API server that does not answer, or refuses. */
  readonly #backoff: Backoff;
  /** Of versions that are too old: the first costs a list at once, only lists in a circle are slowed down. */
  readonly #relists: Backoff;
  readonly #stop = new AbortController();
  #objects = new Map<string, KubeObject>();
  #synced = false;
  #resourceVersion = '';
  #lastContactMs: number;
  #ended: Promise<void> = Promise.resolve();

  constructor(options: ReflectorOptions) {
    this.#options = options;
    this.#timing = options.timing ?? REFLECTOR_TIMING;
    this.#keyOf = options.keyOf ?? (({ metadata }) => metadata.name);
    const { minBackoffMs: minMs, maxBackoffMs: maxMs } = this.#timing;
    this.#backoff = new Backoff({ minMs, maxMs, random: options.random });
    this.#relists = new Backoff({ minMs, maxMs, random: options.random });
    this.#lastContactMs = options.nowMs();
  }

  /** By name, as last heard. */
  get objects(): ReadonlyMap<string, KubeObject> {
    return this.#objects;
  }

  /** Up to which version it has heard. */
  get resourceVersion(): string {
    return this.#resourceVersion;
  }

  /** Whether it was listed once: before that, what is missing means nothing. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Time since the API server last said anything about this collection, milliseconds. */
  get silentMs(): number {
    return this.#options.nowMs() - this.#lastContactMs;
  }

  start(): void {
    this.#ended = this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let listed = false;
    while (!signal.aborted) {
      const end = listed ? await this.#watch() : await this.#list();
      if (signal.aborted) return;
      if (end.type === 'Relist') listed = false;
      else if (end.type === 'Ended') {
        listed = true;
        continue;
      }
      await this.#wait(end);
    }
  }

  /** Before the next try. A server that says how long is obeyed. */
  async #wait(end: Exclude<StepEnd, { readonly type: 'Ended' }>): Promise<void> {
    const { path, logger } = this.#options;
    const again = end.type === 'Relist' ? this.#relists : this.#backoff;
    const isFirstRelist = end.type === 'Relist' && again.failures === 0;
    const asked = end.type === 'Failed' ? (end.failure.retryAfterMs ?? 0) : 0;
    const step = again.next();
    const delayMs = Math.max(isFirstRelist ? 0 : step, asked);
    const reason = end.type === 'Failed' ? end.failure.message : end.reason;
    const tell = again.failures > 1 ? 'warn' : 'info';
    logger[tell]({ path, reason, delayMs: Math.round(delayMs) }, 'watching begins again');
    await pause(delayMs, this.#stop.signal);
  }

  async #list(): Promise<StepEnd> {
    const found = new Map<string, KubeObject>();
    let version = '';
    let next: string | undefined;
    let limit = PAGE_SIZE;
    for (;;) {
      const page = await this.#page(limit, next);
      if ('failure' in page) {
        // The version of the pages is gone: a list in one piece cannot meet that.
        if (page.failure.kind !== 'Gone' || limit === 0) return { type: 'Failed', failure: page.failure };
        limit = 0;
        next = undefined;
        found.clear();
        continue;
      }
      for (const object of page.items) found.set(this.#keyOf(object), withoutManagedFields(object));
      version = page.version;
      next = page.next;
      if (next === undefined || next === '') break;
    }
    const names = new Set([...this.#objects.keys(), ...found.keys()]);
    this.#objects = found;
    this.#resourceVersion = version;
    this.#synced = true;
    this.#backoff.reset();
    this.#changed([...names]);
    return { type: 'Ended' };
  }

  async #page(
    limit: number,
    next: string | undefined,
  ): Promise<
    | {
        readonly items: readonly KubeObject[];
        readonly version: string;
        readonly next: string | undefined;
      }
    | { readonly failure: ApiFailure }
  > {
    const { client, path } = this.#options;
    const result = await client.json({
      method: 'GET',
      path,
      query: {
        ...this.#selector(),
        ...(limit > 0 && { limit: String(limit) }),
        ...(next !== undefined && { continue: next }),
      },
      timeoutMs: this.#timing.listTimeoutMs,
      signal: this.#stop.signal,
    });
    if (!result.ok) return { failure: result };
    const parsed = kubeList.safeParse(result.body);
    if (!parsed.success) return { failure: unreachable('the answer to a list is no list') };
    this.#contact();
    const { metadata, items } = parsed.data;
    return { items: items ?? [], version: metadata.resourceVersion, next: metadata.continue };
  }

  async #watch(): Promise<StepEnd> {
    const { client, path, random, nowMs } = this.#options;
    const { watchTimeoutMs, listTimeoutMs, silenceMs, healthyMs } = this.#timing;
    const openedAtMs = nowMs();
    const result = await client.stream({
      method: 'GET',
      path,
      query: {
        ...this.#selector(),
        watch: 'true',
        allowWatchBookmarks: 'true',
        resourceVersion: this.#resourceVersion,
        timeoutSeconds: String(Math.ceil((watchTimeoutMs * (1 + random())) / 1_000)),
      },
      timeoutMs: listTimeoutMs,
      signal: this.#stop.signal,
    });
    if (!result.ok) {
      if (result.kind === 'Gone') return { type: 'Relist', reason: result.message };
      return { type: 'Failed', failure: result };
    }
    this.#contact();
    const end = await this.#follow(result.stream, silenceMs);
    const lived = nowMs() - openedAtMs >= healthyMs;
    if (lived) this.#healthy();
    // A server that ends each watch at once must not be asked in a circle.
    if (end.type === 'Ended' && !lived)
      return { type: 'Failed', failure: unreachable('the watch ended at once') };
    return end;
  }

  async #follow(stream: ApiStream, silenceMs: number): Promise<StepEnd> {
    let silent = false;
    const cut = (): void => {
      silent = true;
      stream.close();
    };
    let watchdog = setTimeout(cut, silenceMs);
    try {
      for await (const line of stream.lines) {
        clearTimeout(watchdog);
        watchdog = setTimeout(cut, silenceMs);
        this.#contact();
        const end = this.#take(line);
        if (end !== undefined) return end;
        this.#healthy();
      }
      return { type: 'Ended' };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const said = silent ? `the watch was silent for ${silenceMs} ms` : reason;
      return { type: 'Failed', failure: unreachable(said) };
    } finally {
      clearTimeout(watchdog);
      stream.close();
    }
  }

  /** One line of a watch; what it returns ends the watch. */
  #take(line: string): StepEnd | undefined {
    const event = watchEvent.safeParse(parseJson(line));
    if (!event.success) return { type: 'Relist', reason: 'a line of the watch is no event' };
    const { type, object } = event.data;
    if (type === 'ERROR') return errorEnd(object);
    if (type === 'BOOKMARK') {
      const mark = bookmark.safeParse(object);
      if (mark.success) this.#resourceVersion = mark.data.metadata.resourceVersion;
      return undefined;
    }
    const parsed = kubeObject.safeParse(object);
    if (!parsed.success) return { type: 'Relist', reason: 'a line of the watch holds no object' };
    const { resourceVersion = '' } = parsed.data.metadata;
    const key = this.#keyOf(parsed.data);
    if (type === 'DELETED') this.#objects.delete(key);
    else this.#objects.set(key, withoutManagedFields(parsed.data));
    this.#resourceVersion = resourceVersion;
    this.#changed([key]);
    return undefined;
  }

  #changed(names: readonly string[]): void {
    const { onChange, logger, path } = this.#options;
    try {
      onChange(names);
    } catch (error) {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      logger.error({ path, reason }, 'what follows a change failed');
    }
  }

  #selector(): Readonly<Record<string, string>> {
    const { labelSelector } = this.#options;
    return labelSelector === undefined ? {} : { labelSelector };
  }

  #healthy(): void {
    this.#backoff.reset();
    this.#relists.reset();
  }

  #contact(): void {
    this.#lastContactMs = this.#options.nowMs();
  }
}

function errorEnd(object: unknown): StepEnd {
  const error = watchError.safeParse(object);
  const { code = 0, message = 'the watch ended with an error' } = error.success ? error.data : {};
  return code === 410
    ? { type: 'Relist', reason: message }
    : { type: 'Failed', failure: unreachable(message) };
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
