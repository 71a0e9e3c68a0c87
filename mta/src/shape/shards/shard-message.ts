import type { Bounds } from '@sluice/crds';
import type { RateName } from '../limit-key.ts';

/** Operations that one message may carry: what is more waits for the next one. */
export const MAX_OPERATIONS = 256;

/**
 * What a pod tells the leader of a shard, in order. Keys have numbers that are good for one pod and one term; `key` gives them. After a change
 * of leader a pod first tells what it holds (`holdSlots`, `holdRate`, `debt`, then `registered`). Spans of time are relative.
 */
export type ShardOperation =
  | {
      readonly type: 'key';
      readonly key: number;
      readonly id: string;
      readonly broad: boolean;
      readonly bounds: Bounds;
      readonly generation: number | undefined;
    }
  | { readonly type: 'forget'; readonly key: number }
  | { readonly type: 'holdSlots'; readonly grant: number; readonly keys: readonly number[] }
  | {
      readonly type: 'holdRate';
      readonly key: number;
      readonly rate: RateName;
      readonly ratePerMs: number;
      readonly capacity: number;
      readonly largestCost: number;
      readonly once: boolean;
    }
  | { readonly type: 'debt'; readonly key: number; readonly rate: RateName; readonly level: number }
  | { readonly type: 'registered' }
  | {
      readonly type: 'demandSlots';
      readonly demand: number;
      readonly keys: readonly number[];
      readonly priority: number;
      readonly waitedMs: number;
    }
  | { readonly type: 'cancelSlots'; readonly demand: number }
  | { readonly type: 'releaseSlots'; readonly grant: number }
  | {
      readonly type: 'demandRate';
      readonly key: number;
      readonly rate: RateName;
      readonly cost: number;
      readonly units: number;
      readonly priority: number;
      readonly waitedMs: number;
    }
  | {
      readonly type: 'giveBack';
      readonly key: number;
      readonly rate: RateName;
      readonly ratePerMs: number;
      readonly capacity: number;
      readonly level: number;
    }
  /** Of a reaction's trigger, to be counted with those of all pods. `key` is its own text here: hits are no limits. */
  | {
      readonly type: 'hit';
      readonly hit: number;
      readonly key: string;
      readonly count: number;
      readonly withinMs: number;
      readonly agoMs: number;
    };

/**
 * What the leader tells a pod: an effect of the allocator, with the pod's number for its key. `granting`: every pod has told what it holds, so
 * that from now on something is granted.
 */
export type ShardEffect =
  | { readonly type: 'granting' }
  | { readonly type: 'slots'; readonly demand: number; readonly grant: number }
  | { readonly type: 'queued'; readonly demand: number; readonly key: number }
  | {
      readonly type: 'lease';
      readonly key: number;
      readonly rate: RateName;
      readonly ratePerMs: number;
      readonly capacity: number;
      readonly level: number;
      readonly once: boolean;
      readonly burst: number;
      readonly largestCost: number;
    }
  | {
      readonly type: 'recall';
      readonly key: number;
      readonly rate: RateName;
      readonly ratePerMs: number;
      readonly capacity: number;
      readonly burst: number;
    }
  | { readonly type: 'ask'; readonly key: number; readonly rate: RateName }
  | { readonly type: 'turn'; readonly key: number; readonly rate: RateName; readonly inMs: number }
  | { readonly type: 'slotWanted'; readonly key: number; readonly waiting: number }
  | { readonly type: 'slotServed'; readonly key: number }
  /** All hits up to this number are counted; these made their triggers go off. */
  | { readonly type: 'counted'; readonly upTo: number; readonly wentOff: readonly number[] };

/**
 * One message between a pod and the leader of a shard. Each direction has one batch under way at a time: it is sent again until it is
 * acknowledged, and the receiver takes number n only after n - 1. So nothing is lost, doubled or overtaken, whatever the network does.
 */
interface Message<Item> {
  readonly shard: number;
  readonly term: number;
  /** Of the pod: the leader keeps one conversation with each session. */
  readonly session: string;
  /** Rises by one; 0 = carries an acknowledgement only. */
  readonly number: number;
  /** The last batch that arrived from the other side. */
  readonly ack: number;
  readonly items: readonly Item[];
}

export type ToLeader = Message<ShardOperation>;

export type FromLeader = Message<ShardEffect>;
