import { z } from 'zod';
import type { ApiClient } from './api-client.ts';
import type { ApiResult } from './api-result.ts';
import { unreachable } from './api-result.ts';

/** Owner of the fields of ConfigMaps, and of statuses; apart, so that neither takes the other's fields away. */
export const FIELD_MANAGER = 'sluice-operator';
export const STATUS_FIELD_MANAGER = 'sluice-operator-status';

const APPLY_TYPE = 'application/apply-patch+yaml';

export interface Application {
  /** Of the object, or of its `/status`. */
  readonly path: string;
  /** All that this manager wants of the object: what it wanted before and does not name any more goes. */
  readonly object: Readonly<Record<string, unknown>>;
  readonly fieldManager: string;
  /** `true` = fields that others own are taken over; `false` = that is a `Conflict`. */
  readonly force: boolean;
}

/**
 * Server-side apply: creates or changes an object, and owns what it names. The media type is YAML's, of which JSON is a part.
 *
 * Example: `await apply(client, { path: '/api/v1/namespaces/mail/configmaps/sluice-egress-0', object, fieldManager: FIELD_MANAGER, force: true })`
 */
export function apply(client: ApiClient, application: Application): Promise<ApiResult<unknown>> {
  const { path, object, fieldManager, force } = application;
  return client.json({
    method: 'PATCH',
    path,
    query: { fieldManager, force: String(force) },
    body: object,
    contentType: APPLY_TYPE,
  });
}

/** A status that is to be written. */
export interface StatusApplication {
  /** Of the object. */
  readonly path: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly status: unknown;
}

/** What an API server says of an object that it does not send. */
const partialObject = z.object({
  metadata: z.object({ resourceVersion: z.string(), generation: z.number().optional(), uid: z.string() }),
});

export type WrittenMetadata = z.infer<typeof partialObject>['metadata'];

/** An answer with the metadata alone: the object itself is known, and may be large. */
const METADATA_ONLY = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json';

/**
 * Applies the status of an object, and of the answer keeps what is new: its version.
 *
 * Example: `await patchStatus(client, { path: '/apis/sluice.email/v1alpha1/namespaces/mail/egresspools/a', apiVersion, kind, name: 'a', status })`
 */
export async function patchStatus(
  client: ApiClient,
  { path, apiVersion, kind, name, status }: StatusApplication,
): Promise<ApiResult<WrittenMetadata>> {
  const result = await client.json({
    method: 'PATCH',
    path: `${path}/status`,
    query: { fieldManager: STATUS_FIELD_MANAGER, force: 'true' },
    body: { apiVersion, kind, metadata: { name }, status },
    contentType: APPLY_TYPE,
    accept: METADATA_ONLY,
  });
  if (!result.ok) return result;
  const parsed = partialObject.safeParse(result.body);
  if (!parsed.success) return unreachable('the answer to a status is no object');
  return { ok: true, body: parsed.data.metadata };
}
