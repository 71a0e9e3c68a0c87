import type { Compiled } from '@sluice/crds';
import type { ApiFailure } from '../kube/mod.ts';

export type WrittenObject = 'ConfigMap' | 'Status' | 'Event';

/** What a reconciler does, for metrics. */
export interface ReconcileObserver {
  compiled(durationMs: number, compiled: Compiled): void;
  published(generation: number, hash: string, shards: number): void;
  wrote(what: WrittenObject): void;
  failed(what: WrittenObject, failure: ApiFailure): void;
}
