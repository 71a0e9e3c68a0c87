/** Limits: slots and rates, who waits for them, and the allocator that shares them. */
export {
  type Allocation,
  type AllocationPort,
  InProcessAllocation,
  type ReceiveEffect,
} from './allocation-port.ts';
export { Allocator, type AllocatorKey, type Urgency } from './allocator.ts';
export { burstOf, isSlow, LATENESS_MS, SLOW_INTERVAL_MS } from './burst.ts';
export type { ConnectionGrant, Refusal, Shaper, TransactionCost, Waiter } from './contract.ts';
export type { AllocatorEffect, ClientId, LeasePart } from './effect.ts';
export { HitCounter, type HitTrigger } from './hit-counter.ts';
export { type Hit, type HitCounting, OwnHits, SETTLE_MS } from './hit-counting.ts';
export type { HeldView, KeyView, LedView, LookedKey, RateView } from './key-view.ts';
export type { BoundName, KeySet, LimitKey, RateName } from './limit-key.ts';
export {
  openSharedAllocation,
  type SharedAllocation,
  type SharedAllocationOptions,
} from './open-shared-allocation.ts';
export { createShaper, type ShaperOptions } from './shaper.ts';
export type { NodeState } from './shards/shard-node.ts';
