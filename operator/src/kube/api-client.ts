import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import type { ClusterAccess } from './access.ts';
import { type ApiFailure, type ApiResult, refusalOf, unreachable } from './api-result.ts';

/** A request without an answer after so long has failed. With the lease's renew deadline it stays below the lease, see `lease.ts`. Milliseconds. */
export const REQUEST_TIMEOUT_MS = 10_000;

const JSON_TYPE = 'application/json';

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** `/apis/sluice.email/v1alpha1/namespaces/mail/egresspools`; names in it are already escaped. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Of the body; `application/json` unless given. */
  readonly contentType?: string;
  /** Of the answer; `application/json` unless given. */
  readonly accept?: string;
  /** {@link REQUEST_TIMEOUT_MS} unless given. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** An answer that goes on: a watch. */
export interface ApiStream {
  /** Lines as they come; ends with the connection, throws when it breaks. */
  readonly lines: AsyncIterable<string>;
  close(): void;
}

/**
 * Requests to one API server, over connections that are kept. Refusals and broken connections are values; JSON comes back as `unknown`, whoever asked
 * knows its shape.
 *
 * Example: `const result = await client.json({ method: 'GET', path: '/version' }); if (result.ok) …`
 */
export class ApiClient {
  readonly #access: ClusterAccess;
  readonly #secure: boolean;
  readonly #agent: HttpAgent | HttpsAgent;
  /** Requests sent so far, watches included; the measure of what an operator costs its API server. */
  sent = 0;

  constructor(access: ClusterAccess) {
    this.#access = access;
    this.#secure = access.server.protocol === 'https:';
    const options = { keepAlive: true, maxFreeSockets: 4 };
    this.#agent = this.#secure ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** One request and its whole answer. */
  async json(request: ApiRequest): Promise<ApiResult<unknown>> {
    const { timeoutMs = REQUEST_TIMEOUT_MS, signal } = request;
    const limit = AbortSignal.timeout(timeoutMs);
    const cut = signal === undefined ? limit : AbortSignal.any([limit, signal]);
    try {
      const answer = await this.#send(request, cut);
      const text = await textOf(answer);
      const status = answer.statusCode ?? 0;
      if (status >= 300) return refusalOf(status, text, answer.headers['retry-after']);
      const body: unknown = text === '' ? {} : JSON.parse(text);
      return { ok: true, body };
    } catch (error) {
      return broken(error, limit.aborted ? `no answer within ${timeoutMs} ms` : undefined);
    }
  }

  /** A request whose answer goes on. `timeoutMs` bounds only the time to its head. */
  async stream(request: ApiRequest): Promise<{ readonly ok: true; readonly stream: ApiStream } | ApiFailure> {
    const { timeoutMs = REQUEST_TIMEOUT_MS, signal } = request;
    const close = new AbortController();
    const late = setTimeout(() => close.abort(), timeoutMs);
    const cut = signal === undefined ? close.signal : AbortSignal.any([close.signal, signal]);
    try {
      const answer = await this.#send(request, cut);
      const status = answer.statusCode ?? 0;
      if (status >= 300) return refusalOf(status, await textOf(answer), answer.headers['retry-after']);
      return { ok: true, stream: { lines: linesOf(answer), close: () => close.abort() } };
    } catch (error) {
      return broken(error, close.signal.aborted ? `no answer within ${timeoutMs} ms` : undefined);
    } finally {
      clearTimeout(late);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send(request: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const { method, path, query, body, contentType = JSON_TYPE, accept = JSON_TYPE } = request;
    const { server, apply } = this.#access;
    const search = query === undefined ? '' : `?${new URLSearchParams(query)}`;
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const options: RequestOptions = {
      method,
      host: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port,
      path: `${server.pathname.replace(/\/$/, '')}${path}${search}`,
      signal,
      headers: {
        accept,
        'user-agent': 'sluice-operator',
        ...(payload && { 'content-type': contentType, 'content-length': String(payload.length) }),
      },
    };
    await apply(options);
    options.agent ??= this.#agent;
    this.sent++;
    return new Promise((resolve, reject) => {
      const sent: ClientRequest = this.#secure ? httpsRequest(options) : httpRequest(options);
      sent.once('response', resolve);
      sent.on('error', reject);
      sent.end(payload);
    });
  }
}

async function textOf(answer: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer) if (chunk instanceof Uint8Array) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function* linesOf(answer: IncomingMessage): AsyncGenerator<string, void, undefined> {
  answer.setEncoding('utf8');
  let parts: string[] = [];
  for await (const chunk of answer) {
    const pieces = String(chunk).split('\n');
    const last = pieces.pop() ?? '';
    for (const piece of pieces) {
      const line = parts.length === 0 ? piece : parts.join('') + piece;
      parts = [];
      if (line !== '') yield line;
    }
    if (last !== '') parts.push(last);
  }
}

function broken(error: unknown, reason: string | undefined): ApiFailure {
  return unreachable(reason ?? (error instanceof Error ? error.message : String(error)));
}
