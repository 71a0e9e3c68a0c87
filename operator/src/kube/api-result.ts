import { z } from 'zod';

/** What an API server says when it refuses. */
export type FailureKind =
  /** No answer: connection refused, broken, or too slow. */
  | 'Unreachable'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'AlreadyExists'
  /** Another one has written, or owns a field. */
  | 'Conflict'
  /** A continue token or resource version is too old: list again. */
  | 'Gone'
  | 'Invalid'
  | 'Throttled'
  | 'Server';

/** A request that did not do what was asked. An expected outcome: whoever calls decides. */
export interface ApiFailure {
  readonly ok: false;
  readonly kind: FailureKind;
  /** HTTP status; `0` = there was no answer. */
  readonly status: number;
  readonly message: string;
  /** What the server asks to wait, milliseconds. */
  readonly retryAfterMs?: number;
}

export interface ApiSuccess<T> {
  readonly ok: true;
  readonly body: T;
}

export type ApiResult<T> = ApiSuccess<T> | ApiFailure;

const statusBody = z.looseObject({
  message: z.string().optional(),
  reason: z.string().optional(),
  details: z.looseObject({ retryAfterSeconds: z.number().optional() }).optional(),
});

/** Reads a refusal: the HTTP status, the `Status` object in the body if there is one, and `Retry-After`. */
export function refusalOf(status: number, body: string, retryAfter: string | undefined): ApiFailure {
  const said = readStatus(body);
  const seconds = retryAfter === undefined ? said.details?.retryAfterSeconds : Number(retryAfter);
  return {
    ok: false,
    kind: kindOf(status, said.reason),
    status,
    message: said.message ?? (body.slice(0, 200) || `HTTP ${status}`),
    ...(seconds !== undefined && Number.isFinite(seconds) && { retryAfterMs: Math.max(0, seconds * 1_000) }),
  };
}

export function unreachable(reason: string): ApiFailure {
  return { ok: false, kind: 'Unreachable', status: 0, message: reason };
}

function readStatus(body: string): z.infer<typeof statusBody> {
  try {
    const parsed = statusBody.safeParse(JSON.parse(body));
    return parsed.success ? parsed.data : {};
  } catch {
    return {};
  }
}

function kindOf(status: number, reason: string | undefined): FailureKind {
  if (status === 409) return reason === 'AlreadyExists' ? 'AlreadyExists' : 'Conflict';
  return KINDS.get(status) ?? (status >= 500 ? 'Server' : 'Invalid');
}

const KINDS: ReadonlyMap<number, FailureKind> = new Map([
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'NotFound'],
  [410, 'Gone'],
  [429, 'Throttled'],
]);
