import type { RateName } from './limit-key.ts';

/** A pod in the eyes of the allocator: the id of its session. */
export type ClientId = string;

/**
 * What the allocator tells one client. Spans of time are relative: no two machines' clocks are compared.
 *
 * - `slots`: one slot of every key of the demand; `grant` is what a release names.
 * - `queued`: the demand waits for this key (again whenever that changes).
 * - `lease`: adds to what the client holds of a rate. `once` = spend one transaction, then give everything back.
 * - `recall`: the client must give back, at once, what it holds above this.
 * - `ask`: others want of this rate too; the client says again what it wants now (`units: 0` = nothing).
 * - `turn`: the next unit of a slow rate is that far off if nobody else takes it.
 * - `slotWanted`: so many wait for a slot of a key of which the client holds some, its own demands included; `slotServed`: nobody does any more.
 * - `lost`: everything that the client held is held no longer (its session was lost): nothing of it is given back, and who waits asks again.
 */
export type AllocatorEffect =
  | { readonly type: 'slots'; readonly client: ClientId; readonly demand: number; readonly grant: number }
  | { readonly type: 'queued'; readonly client: ClientId; readonly demand: number; readonly keyId: string }
  | ({ readonly type: 'lease' } & RateAddress & LeasePart & LeaseTerms)
  | ({ readonly type: 'recall' } & RateAddress & Omit<LeasePart, 'level'> & Pick<LeaseTerms, 'burst'>)
  | ({ readonly type: 'ask' } & RateAddress)
  | ({ readonly type: 'turn'; readonly inMs: number } & RateAddress)
  | {
      readonly type: 'slotWanted';
      readonly client: ClientId;
      readonly keyId: string;
      readonly waiting: number;
    }
  | { readonly type: 'slotServed'; readonly client: ClientId; readonly keyId: string }
  | { readonly type: 'lost'; readonly client: ClientId };

export interface RateAddress {
  readonly client: ClientId;
  readonly keyId: string;
  readonly rate: RateName;
}

/** A part of a rate that is moved. */
export interface LeasePart {
  readonly ratePerMs: number;
  readonly capacity: number;
  readonly level: number;
}

export interface LeaseTerms {
  readonly once: boolean;
  /** Burst of the whole key: who holds all of it may exceed it by a single larger cost. */
  readonly burst: number;
  /** The largest single cost that the allocator counts with if the client dies. */
  readonly largestCost: number;
}
