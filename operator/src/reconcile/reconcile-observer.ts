import type { Compiled } from '@sluice/crds';
import type { ApiFailure } from '../kube/mod.ts';
import type { PodCounts } from './resource-status.ts';

export type WrittenObject = 'ConfigMap' | 'Status' | 'Event';

/** What a reconciler does, for metrics. */
export interface ReconcileObserver {
  compiled(durationMs: number, compiled: Compiled): void;
  published(generation: number, hash: string, shards: number): void;
  /** Pods that run the set that was published last, of those that live; sources that they cannot connect from. */
  pods(counts: PodCounts, unreachableSources: number): void;
  wrote(what: WrittenObject): void;
  failed(what: WrittenObject, failure: ApiFailure): void;
}
