import { readFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import type { ConfigShard } from '@sluice/crds';
import { type ConfigMapObject, configMapEvent, configMapList, shardOf } from './config-map-shard.ts';

/** An API server, and who asks. */
export interface ConfigMapApi {
  readonly server: URL;
  readonly namespace: string;
  /** Absent with `http:`, in tests. */
  readonly ca?: Buffer;
  /** Asked for each request: the kubelet rotates tokens. */
  readonly token: () => Promise<string>;
}

/**
 * The API server of the pod's own cluster, by its service account. Not `fetch`: it takes no CA of its own, and trusting the cluster's CA everywhere would mean to trust it for
 * mailbox providers too.
 */
export async function clusterApi(
  environment: Readonly<Record<string, string | undefined>>,
  directory: string,
  namespace?: string,
): Promise<ConfigMapApi> {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = environment;
  if (host === '') throw new Error('KUBERNETES_SERVICE_HOST is not set: this is no pod');
  const read = async (name: string): Promise<string> =>
    (await readFile(join(directory, name), 'utf8')).trim();
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    namespace: namespace ?? (await read('namespace')),
    ca: await readFile(join(directory, 'ca.crt')),
    token: () => read('token'),
  };
}

/** A request that is not answered for so long has failed. Milliseconds. */
const ANSWER_TIMEOUT_MS = 10_000;
/** A watch that says nothing for so long is taken for dead; the API server sends a bookmark about once a minute. Milliseconds. */
export const SILENCE_MS = 100_000;
/** The server ends a watch after a time between this and twice this. Seconds. */
const WATCH_TIMEOUT_S = 300;
const MIN_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 4_000;

export interface FollowOptions {
  readonly api: ConfigMapApi;
  readonly labelSelector: string;
  /** All shards as they are now; after the first list, and after each change. */
  readonly onShards: (shards: readonly ConfigShard[]) => void;
  /** A list or a watch failed; it is tried again. */
  readonly onFailure: (reason: string) => void;
  readonly random: () => number;
  readonly silenceMs?: number;
  readonly minBackoffMs?: number;
}

/**
 * Follows ConfigMaps until the signal is aborted: lists them, watches them, and begins again with a list whatever happens, with a back-off.
 *
 * Example: `void followConfigMaps({ api, labelSelector: 'sluice.email/config=sluice', onShards, … }, signal)`
 */
export async function followConfigMaps(options: FollowOptions, signal: AbortSignal): Promise<void> {
  const { onFailure, random, minBackoffMs = MIN_BACKOFF_MS } = options;
  let failures = 0;
  while (!signal.aborted) {
    try {
      await listAndWatch(options, signal, () => {
        failures = 0;
      });
    } catch (error) {
      if (signal.aborted) return;
      onFailure(error instanceof Error ? error.message : String(error));
    }
    await pause(
      Math.min(MAX_BACKOFF_MS, minBackoffMs * 2 ** Math.min(failures++, 10)) * (1 + random()),
      signal,
    );
  }
}

async function listAndWatch(options: FollowOptions, signal: AbortSignal, healthy: () => void): Promise<void> {
  const { api, labelSelector, onShards, random, silenceMs = SILENCE_MS } = options;
  const path = `/api/v1/namespaces/${api.namespace}/configmaps`;
  const list = configMapList.parse(await json(await get(api, path, { labelSelector }, signal)));
  const objects = new Map((list.items ?? []).map((item) => [item.metadata.name, item] as const));
  onShards(shardsOf(objects));
  const timeoutSeconds = String(Math.ceil(WATCH_TIMEOUT_S * (1 + random())));
  let { resourceVersion } = list.metadata;
  for (;;) {
    const query = {
      labelSelector,
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds,
    };
    const answer = await get(api, path, query, signal);
    const openedMs = performance.now();
    for await (const line of linesOf(answer, silenceMs)) {
      healthy();
      const { type, object } = configMapEvent.parse(JSON.parse(line));
      // Too old a version, an API server that stops: a list mends all of them.
      if (type === 'ERROR') throw new Error(object.message ?? 'the watch ended with an error');
      resourceVersion = object.metadata.resourceVersion;
      if (type === 'BOOKMARK') continue;
      if (type === 'DELETED') objects.delete(object.metadata.name);
      else objects.set(object.metadata.name, object);
      onShards(shardsOf(objects));
    }
    if (performance.now() - openedMs < MIN_BACKOFF_MS) throw new Error('the watch ended at once');
  }
}

function shardsOf(objects: ReadonlyMap<string, ConfigMapObject>): readonly ConfigShard[] {
  return [...objects.values()].flatMap((object) => shardOf(object) ?? []);
}

async function get(
  { server, ca, token }: ConfigMapApi,
  path: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const authorization = `Bearer ${await token()}`;
  return new Promise((resolve, reject) => {
    const send = server.protocol === 'https:' ? httpsRequest : httpRequest;
    const sent = send({
      host: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port,
      path: `${path}?${new URLSearchParams(query)}`,
      headers: { accept: 'application/json', authorization, 'user-agent': 'sluice' },
      ...(ca && { ca }),
      agent: false,
      signal,
    });
    const late = setTimeout(
      () => sent.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS} ms`)),
      ANSWER_TIMEOUT_MS,
    );
    sent.once('response', (answer) => {
      clearTimeout(late);
      if (answer.statusCode === 200) return resolve(answer);
      answer.destroy();
      reject(new Error(`the API server answers ${answer.statusCode} ${answer.statusMessage}`));
    });
    sent.on('error', (error) => {
      clearTimeout(late);
      reject(error);
    });
    sent.end();
  });
}

async function json(answer: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const line of linesOf(answer, ANSWER_TIMEOUT_MS)) text += line;
  return JSON.parse(text);
}

async function* linesOf(answer: IncomingMessage, silenceMs: number): AsyncGenerator<string, void, undefined> {
  answer.setEncoding('utf8');
  const cut = (): void => void answer.destroy(new Error(`nothing was heard for ${silenceMs} ms`));
  let watchdog = setTimeout(cut, silenceMs);
  let rest: string[] = [];
  try {
    for await (const chunk of answer) {
      clearTimeout(watchdog);
      watchdog = setTimeout(cut, silenceMs);
      const pieces = String(chunk).split('\n');
      const last = pieces.pop() ?? '';
      for (const piece of pieces) {
        const line = rest.join('') + piece;
        rest = [];
        if (line !== '') yield line;
      }
      rest.push(last);
    }
    if (rest.join('') !== '') yield rest.join('');
  } finally {
    clearTimeout(watchdog);
    answer.destroy();
  }
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, delayMs);
    signal.addEventListener('abort', end);
  });
}
