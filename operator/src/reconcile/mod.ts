/** From resources to ConfigMaps and statuses. */
export { providerLibrary } from './provider-library.ts';
export type { ReconcileObserver, WrittenObject } from './reconcile-observer.ts';
export { Reconciler } from './reconciler.ts';
