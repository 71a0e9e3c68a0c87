/** From resources to ConfigMaps and statuses. */
export { givenResources, withGiven } from './given-resources.ts';
export { NamespaceReconcilers } from './namespace-reconcilers.ts';
export { providerLibrary } from './provider-library.ts';
export type { ReconcileObserver, WrittenObject } from './reconcile-observer.ts';
export { Reconciler } from './reconciler.ts';
export type { PodCounts } from './resource-status.ts';
