import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { ClusterAccess } from './access.ts';
import { ApiClient } from './api-client.ts';

/** What happens to a request instead of an answer. `Hang` = the connection stays open and nothing comes. */
export type Fault =
  | {
      readonly type: 'Answer';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: unknown;
    }
  | { readonly type: 'Hang' }
  | { readonly type: 'Destroy' };

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
}

interface Metadata {
  name: string;
  namespace?: string;
  resourceVersion: string;
  generation?: number;
  uid: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}

export interface StoredObject {
  metadata: Metadata;
  [member: string]: unknown;
}

interface Happening {
  readonly version: number;
  readonly path: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: StoredObject;
}

interface OpenWatch {
  readonly collection: string;
  readonly response: ServerResponse;
  readonly labelSelector: string | undefined;
}

/**
 * A small API server with faults: objects with resource versions, lists in pages, watches with bookmarks, compaction, optimistic locking and as much of
 * server-side apply as the operator relies on. What it does not do (schemas, ownership of single fields) is for the tests with the real one.
 */
export class FakeApiServer {
  readonly requests: SeenRequest[] = [];
  /** Asked before each request is answered. */
  fault: (request: SeenRequest) => Fault | undefined = () => undefined;
  /** Watches that were opened so far. */
  watchesOpened = 0;
  readonly #server: Server;
  readonly #objects = new Map<string, StoredObject>();
  #log: Happening[] = [];
  #watches = new Set<OpenWatch>();
  #version = 1;
  #compactedAt = 0;

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  client(): ApiClient {
    return new ApiClient(this.access());
  }

  access(): ClusterAccess {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('it does not listen');
    return {
      server: new URL(`http://127.0.0.1:${address.port}`),
      namespace: 'mail',
      apply: async () => {},
    };
  }

  get openWatches(): number {
    return this.#watches.size;
  }

  object(path: string): StoredObject | undefined {
    return this.#objects.get(path);
  }

  paths(collection: string): readonly string[] {
    return [...this.#objects.keys()].filter((path) => isIn(path, collection)).toSorted();
  }

  /** Writes an object as a user would; `spec` that differs raises the generation. */
  put(path: string, given: Readonly<Record<string, unknown>> = {}): StoredObject {
    const before = this.#objects.get(path);
    const name = path.slice(path.lastIndexOf('/') + 1);
    const spec = 'spec' in given ? given.spec : before?.spec;
    const changed = JSON.stringify(spec) !== JSON.stringify(before?.spec);
    const namespace = /\/namespaces\/([^/]+)\//.exec(path)?.[1];
    const metadata: Metadata = {
      ...before?.metadata,
      ...(namespace !== undefined && { namespace }),
      // One that is deleted and made again is another one.
      uid: before?.metadata.uid ?? `uid-${name}-${this.#version}`,
      ...record(given.metadata),
      generation: (before?.metadata.generation ?? 0) + (before === undefined || changed ? 1 : 0),
      name,
      resourceVersion: String(++this.#version),
    };
    const object: StoredObject = { ...before, ...given, metadata };
    this.#objects.set(path, object);
    this.#happen(path, before === undefined ? 'ADDED' : 'MODIFIED', object);
    return object;
  }

  remove(path: string): boolean {
    const object = this.#objects.get(path);
    if (object === undefined) return false;
    this.#objects.delete(path);
    const metadata = { ...object.metadata, resourceVersion: String(++this.#version) };
    this.#happen(path, 'DELETED', { ...object, metadata });
    return true;
  }

  /** Versions of before are gone: watches from them get 410. */
  compact(): void {
    this.#compactedAt = ++this.#version;
    this.#log = [];
  }

  bookmark(): void {
    const metadata = { resourceVersion: String(++this.#version) };
    this.rawLine(JSON.stringify({ type: 'BOOKMARK', object: { metadata } }));
  }

  /** An `ERROR` line, as the API server ends a watch in its stream. */
  watchError(code: number, message: string): void {
    this.rawLine(JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code, message } }));
  }

  /** A line as it stands, to all watches. */
  rawLine(line: string): void {
    for (const { response } of this.#watches) response.write(`${line}\n`);
  }

  /** Ends all watches: in order, or as a broken connection. */
  endWatches(how: 'End' | 'Break'): void {
    const open = [...this.#watches];
    this.#watches.clear();
    for (const { response } of open) {
      if (how === 'End') response.end();
      else response.destroy();
    }
  }

  /** Watches that are open say nothing any more, as behind a connection that is gone at the other end only. */
  silenceWatches(): void {
    this.#watches = new Set();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) if (chunk instanceof Uint8Array) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const seen: SeenRequest = {
      method: request.method ?? 'GET',
      path: decodeURIComponent(url.pathname),
      query: Object.fromEntries(url.searchParams),
      body: text === '' ? {} : record(JSON.parse(text)),
    };
    this.requests.push(seen);
    const fault = this.fault(seen);
    if (fault?.type === 'Hang') return;
    if (fault?.type === 'Destroy') return void response.destroy();
    if (fault !== undefined) return send(response, fault.status, fault.body ?? {}, fault.headers);
    if (seen.query.watch === 'true') return this.#watch(seen, response);
    const [status, body] = this.#do(seen);
    send(response, status, body);
  }

  #do(seen: SeenRequest): readonly [number, unknown] {
    const { method, body } = seen;
    const isStatus = seen.path.endsWith('/status');
    const path = isStatus ? seen.path.slice(0, -'/status'.length) : seen.path;
    const object = this.#objects.get(path);
    const missing = [404, failure('NotFound', `${path} not found`)] as const;
    switch (method) {
      case 'GET':
        return isCollection(path) ? this.#list(seen) : object === undefined ? missing : [200, object];
      case 'POST': {
        const { name, generateName } = record(body.metadata);
        const at = `${path}/${typeof name === 'string' ? name : `${generateName}${++this.#version}`}`;
        if (this.#objects.has(at)) return [409, failure('AlreadyExists', `${at} already exists`)];
        return [201, this.put(at, body)];
      }
      case 'PUT': {
        if (object === undefined) return missing;
        if (record(body.metadata).resourceVersion !== object.metadata.resourceVersion)
          return [409, failure('Conflict', 'the object has been modified')];
        return [200, this.put(path, body)];
      }
      case 'PATCH': {
        if (isStatus && object === undefined) return missing;
        const patch = isStatus ? { status: body.status } : body;
        // As the API server: an apply that changes nothing writes nothing.
        if (object !== undefined && holds(object, patch)) return [200, object];
        return [200, this.put(path, patch)];
      }
      default:
        return this.remove(path) ? [200, {}] : missing;
    }
  }

  #list({ path, query }: SeenRequest): readonly [number, unknown] {
    const all = this.paths(path)
      .flatMap((at) => this.#objects.get(at) ?? [])
      .filter((object) => matches(object, query.labelSelector));
    const { limit = '0', continue: next } = query;
    const [at = '0', version = String(this.#version)] = next?.split('@') ?? [];
    if (Number(version) < this.#compactedAt)
      return [410, failure('Expired', 'the continue token is too old')];
    const end = Number(limit) > 0 ? Number(at) + Number(limit) : all.length;
    const more = end < all.length ? { continue: `${end}@${version}` } : {};
    const metadata = { resourceVersion: version, ...more };
    return [200, { kind: 'List', metadata, items: all.slice(Number(at), end) }];
  }

  #watch({ path, query }: SeenRequest, response: ServerResponse): void {
    const since = Number(query.resourceVersion);
    if (since < this.#compactedAt) return send(response, 410, failure('Expired', 'too old resource version'));
    this.watchesOpened++;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const watch = { collection: path, response, labelSelector: query.labelSelector };
    for (const happening of this.#log) if (happening.version > since) tell(watch, happening);
    this.#watches.add(watch);
    response.once('close', () => this.#watches.delete(watch));
  }

  #happen(path: string, type: Happening['type'], object: StoredObject): void {
    const happening = { version: Number(object.metadata.resourceVersion), path, type, object };
    this.#log.push(happening);
    for (const watch of this.#watches) tell(watch, happening);
  }
}

function tell({ collection, response, labelSelector }: OpenWatch, happening: Happening): void {
  const { type, object } = happening;
  if (!isIn(happening.path, collection) || !matches(object, labelSelector)) return;
  response.write(`${JSON.stringify({ type, object })}\n`);
}

function matches({ metadata }: StoredObject, selector: string | undefined): boolean {
  const terms = selector === undefined || selector === '' ? [] : selector.split(',');
  return terms.every((term) => {
    const [key = '', value] = term.split('=');
    return metadata.labels?.[key] === value;
  });
}

/** Whether an object has all that a patch names already. */
function holds(object: unknown, patch: unknown): boolean {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch))
    return JSON.stringify(object) === JSON.stringify(patch);
  const given = record(object);
  return Object.entries(patch).every(([name, member]) => holds(given[name], member));
}

/** Paths of objects have a name after the plural; without a namespace it is the collection of all of them. */
function isCollection(path: string): boolean {
  return /\/namespaces\/[^/]+\/[^/]+$/.test(path) || !path.includes('/namespaces/');
}

function isIn(path: string, collection: string): boolean {
  const own = path.slice(0, path.lastIndexOf('/'));
  return own === collection || own.replace(/\/namespaces\/[^/]+/, '') === collection;
}

function failure(reason: string, message: string): unknown {
  return { kind: 'Status', status: 'Failure', reason, message };
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  const isRecord = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isRecord ? Object.fromEntries(Object.entries(value)) : {};
}

function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}
