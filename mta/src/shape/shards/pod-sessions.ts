/**
 * What this room must know of sessions of pods. Death is by observation alone (`SessionWatch` of the spool room): a session that `isDead` has
 * destroyed its sockets and spends nothing any more.
 */
export interface PodSessions {
  /** Of this process, now. It changes when it was lost. */
  readonly id: string;
  /** From then on this session may start nothing, if no later renewal is acknowledged. By the clock that the shaper is called with. */
  validUntilMs(): number;
  /** Sessions that live as far as this process knows, its own included. */
  living(): readonly string[];
  /** Rises whenever `living` changes. */
  readonly changes: number;
  isLiving(session: string): boolean;
  /** Final. */
  isDead(session: string): boolean;
  /** The store names a session: if it was never seen, its silence is observed from now on. */
  expect(session: string, nowMs: number): void;
  /** Everything that was stored before this time has been read: it is when the last own renewal that came back was sent. */
  readUntilMs(): number;
  /** `readUntilMs` should move on soon. */
  renewSoon(): void;
}
