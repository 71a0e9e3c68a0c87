/** What every operator needs of Kubernetes, and what no library for Node has: see docs/adr/0025. */
export { type ClusterAccess, inClusterAccess, kubeconfigAccess } from './access.ts';
export { ApiClient } from './api-client.ts';
export type { ApiFailure, ApiResult } from './api-result.ts';
export { apply, FIELD_MANAGER, patchStatus } from './apply.ts';
export {
  nextConditions,
  transitions,
  type WantedCondition,
  type WrittenCondition,
  writtenCondition,
} from './conditions.ts';
export { Election } from './election.ts';
export { type EventSubject, type KubeEvent, recordEvent } from './events.ts';
export { type KubeObject, kubeObject, withoutManagedFields } from './kube-object.ts';
export { LatestObjects } from './latest-objects.ts';
export type { Logger } from './logger.ts';
export { Reflector, type ReflectorTiming } from './reflector.ts';
export { SharedCollection } from './shared-collection.ts';
export type { CollectionName, OpenWatch, WatchedCollection } from './watched-collection.ts';
export { WorkQueue, type WorkResult } from './work-queue.ts';
