/** What a process knows of itself among those that share a store. */
export interface Membership {
  /** Names this process in journals. */
  readonly session: string;
  /** Parts of the store that it owns. */
  readonly segments: number;
  /** Milliseconds since the last acknowledged renewal of the session was sent; absent = it is not renewed. */
  readonly renewalAgeMs?: number;
  /** Sessions that live as far as this process knows, its own included; absent = it observes none. */
  readonly living?: readonly string[];
}
