import type { ApiClient } from './api-client.ts';
import type { ApiResult } from './api-result.ts';

/** Owner of the fields of ConfigMaps, and of statuses; apart, so that neither takes the other's fields away. */
export const FIELD_MANAGER = 'sluice-operator';
export const STATUS_FIELD_MANAGER = 'sluice-operator-status';

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
    contentType: 'application/apply-patch+yaml',
  });
}
