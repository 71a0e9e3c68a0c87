import type { ActionConfig } from './egress-config.ts';

/**
 * What `compile` and `effectivePolicy` promise to the MTA: every field filled in, durations in milliseconds,
 * rates as counts per period, `Unlimited` as absence.
 */

/** `N/(s|min|h|d)` parsed. Example: `100/min` → `{ count: 100, periodMs: 60_000 }`. */
export interface Rate {
  readonly count: number;
  readonly periodMs: number;
}

export type LimitField =
  | 'Pool'
  | 'Source'
  | 'Site'
  | 'Group'
  | 'Domain'
  | 'MxHost'
  | 'Tenant'
  | 'Campaign'
  | 'Class';

/** Bounds of one limit; an absent bound is unlimited. */
export interface Bounds {
  readonly connections?: number;
  readonly connectionRate?: Rate;
  /** One RCPT = one. */
  readonly recipientRate?: Rate;
  /** One transaction (MAIL) = one. */
  readonly messageRate?: Rate;
  readonly byteRate?: Rate;
  /** Units that a rate may give out at once after a pause; absent = the default of the allocator. */
  readonly burst?: number;
}

/** A condition on the facts of a message; all members present must hold. Lists are ORed inside. */
export interface When {
  readonly pools?: readonly string[];
  readonly sources?: readonly string[];
  readonly sourceSelector?: Readonly<Record<string, string>>;
  readonly groups?: readonly string[];
  readonly domains?: readonly string[];
  readonly tenants?: readonly string[];
  readonly tenantSelector?: Readonly<Record<string, string>>;
  readonly campaigns?: readonly string[];
  readonly classes?: readonly string[];
}

export interface EffectiveLimit {
  readonly name: string;
  readonly per: readonly LimitField[];
  readonly scope: 'Cluster' | 'Pod';
  readonly when?: When;
  readonly bounds: Bounds;
  /**
   * First match wins. Its bounds are complete: those of the limit with the override's own put in place field by field (so one
   * that the override says is `Unlimited` is absent here).
   */
  readonly overrides: readonly { readonly name: string; readonly when: When; readonly bounds: Bounds }[];
  /** The same counters as other pools bound them, where that differs; `boundsFor` takes the smaller of each bound. */
  readonly rivals?: readonly RivalLimit[];
}

/** A limit of another pool with the same name and `per`: one counter, bound twice. */
export interface RivalLimit {
  readonly pool: string;
  readonly limit: EffectiveLimit;
  /** Only where `per` names Source: the public addresses that both pools list, with name and labels in the other pool. */
  readonly sources?: ReadonlyMap<
    string,
    { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  >;
}

export type Switch = 'Enabled' | 'Disabled';

export type ReactionPhase =
  | 'Connect'
  | 'Greeting'
  | 'Ehlo'
  | 'StartTls'
  | 'Auth'
  | 'Mail'
  | 'Rcpt'
  | 'Data'
  | 'FinalDot';

/** Replies that hit: every member present must fit, inside a list any. */
export interface ReactionMatch {
  readonly codes?: readonly number[];
  readonly enhancedCodes?: readonly string[];
  /** RE2, unanchored, ignores case. */
  readonly text?: string;
  readonly phases?: readonly ReactionPhase[];
}

/** So many hits of one counter within a time; without a trigger every hit has its consequence. */
export interface ReactionTrigger {
  readonly count: number;
  readonly withinMs: number;
  readonly per: readonly LimitField[];
}

export interface EffectiveReaction {
  readonly name: string;
  readonly match: ReactionMatch;
  readonly trigger?: ReactionTrigger;
  readonly actions: readonly ActionConfig[];
}

export type TlsLevel = 'Disabled' | 'Opportunistic' | 'Encrypt' | 'Verify';

/** Per-phase client timeouts, RFC 5321 §4.5.3.2; milliseconds. */
export interface SessionTimeouts {
  readonly connectMs: number;
  readonly greetingMs: number;
  readonly ehloMs: number;
  readonly startTlsMs: number;
  readonly authMs: number;
  readonly mailMs: number;
  readonly rcptMs: number;
  readonly dataMs: number;
  /** Between two writes that make progress while the message is sent. */
  readonly dataBlockMs: number;
  readonly finalDotMs: number;
  readonly rsetMs: number;
  readonly quitMs: number;
}

export interface EffectiveSession {
  readonly messagesPerConnection: number;
  readonly recipientsPerTransaction: number;
  readonly idleTimeoutMs: number;
  readonly timeouts: SessionTimeouts;
  readonly tls: {
    readonly level: TlsLevel;
    readonly mtaSTS: Switch;
    readonly dane: Switch;
    /** Absent = no client certificate. */
    readonly clientCertificateName?: string;
  };
}

export interface EffectiveRetry {
  /** The last one repeats. */
  readonly delaysMs: readonly number[];
  readonly expireAfterMs: number;
}

export interface EffectivePolicy {
  /** Name of the Group the destination belongs to, `''` = none. */
  readonly group: string;
  readonly session: EffectiveSession;
  readonly retry: EffectiveRetry;
  /** Sorted by name. */
  readonly limits: readonly EffectiveLimit[];
  /** Sorted by name. */
  readonly reactions: readonly EffectiveReaction[];
}

/** What a limit's `per` and `when` can ask about. `source`, `mxHost` are `''` until chosen. */
export interface Facts {
  readonly pool: string;
  /** The source's PUBLIC address: the counter identity, in every pool that lists it. */
  readonly sourceAddress: string;
  readonly sourceName: string;
  readonly sourceLabels: Readonly<Record<string, string>>;
  readonly site: string;
  readonly group: string;
  readonly domain: string;
  readonly mxHost: string;
  readonly tenant: string;
  readonly tenantLabels: Readonly<Record<string, string>>;
  readonly campaign: string;
  readonly class: string;
}
