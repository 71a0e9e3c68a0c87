import type { GroupState } from '../recipient-group.ts';

/** What the journal says of one recipient group. */
export interface GroupFacts {
  readonly done: boolean;
  /** In a transaction of the owner, or of a former owner that still ends it. */
  readonly inflight: boolean;
  /** In a transaction of an owner that released the segment: it waits for the outcome, or for that owner's end. */
  readonly awaited: boolean;
  /** Unclean ends of owners, in a row, at which it was in flight. */
  readonly uncleanEnds: number;
  /** Lowest 32 bits of the sequence of the batch with `state`; 0 = never attempted. */
  readonly stateAt: number;
  /** Known until the group was handed to the queue. */
  readonly state: GroupState | undefined;
}

export const NO_FACTS: GroupFacts = {
  done: false,
  inflight: false,
  awaited: false,
  uncleanEnds: 0,
  stateAt: 0,
  state: undefined,
};

/** In flight at so many unclean ends in a row: it is held and reported, not sent again (DESIGN §4.8). */
export const POISON_UNCLEAN_ENDS = 3;

/** In flight at so many unclean ends in a row: from now on it is sent while no other such group is, so that the third end tells the guilty one. */
export const ALONE_UNCLEAN_ENDS = POISON_UNCLEAN_ENDS - 1;

/** A group of a message that must still be sent. */
export interface LiveGroup {
  readonly state: GroupState | undefined;
  /** Waits for the outcome of a former owner. */
  readonly awaited: boolean;
  /** Ended its owners too often: it is not sent. */
  readonly held: boolean;
  /** Of its message. Above 0 its `inflight` record must be durable before it is sent: it may be what ended the last owner. */
  readonly uncleanEnds: number;
}

/** `ofMessage`: unclean ends of its other groups, as far as they are more. */
export function liveGroup({ state, awaited, uncleanEnds: own }: GroupFacts, ofMessage: number): LiveGroup {
  const uncleanEnds = Math.max(own, ofMessage);
  return { state, awaited, held: uncleanEnds >= POISON_UNCLEAN_ENDS, uncleanEnds };
}
