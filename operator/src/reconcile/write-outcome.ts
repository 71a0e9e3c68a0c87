import {
  type ApiFailure,
  type ApiResult,
  kubeObject,
  type LatestObjects,
  type WorkResult,
  withoutManagedFields,
} from '../kube/mod.ts';

export const DONE: WorkResult = { type: 'Done' };

/** Once more, not before the API server allows it. */
export function retryAfter({ retryAfterMs }: ApiFailure): WorkResult {
  return { type: 'Retry', ...(retryAfterMs !== undefined && { afterMs: retryAfterMs }) };
}

/** Keeps what the API server answered to a write, until the watch tells it too. */
export function remember(latest: LatestObjects, result: ApiResult<unknown>): void {
  const parsed = kubeObject.safeParse(result.ok ? result.body : undefined);
  if (parsed.success) latest.wrote(parsed.data.metadata.name, withoutManagedFields(parsed.data));
}
