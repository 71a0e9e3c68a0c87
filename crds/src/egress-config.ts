import type {
  Bounds,
  LimitField,
  Rate,
  ReactionMatch,
  ReactionTrigger,
  SessionTimeouts,
  Switch,
  TlsLevel,
  When,
} from './effective-policy.ts';

/**
 * The product of `compile`: what travels in ConfigMaps to every MTA pod. Plain JSON, canonical, no defaults
 * filled in twice: layers stay layers, because which of them apply is known only when a domain's MX is.
 */
export interface EgressConfig {
  readonly formatVersion: 1;
  /** SHA-256 (hex) of the canonical JSON of everything else. */
  readonly hash: string;
  /** Sorted by name. */
  readonly pools: readonly PoolConfig[];
  /** In the order in which they are tried: highest priority, then pool name, then entry name. */
  readonly matches: readonly PoolMatch[];
  /** Policies in the order in which they merge (later wins), see DESIGN §3 "Who wins" 3. */
  readonly policies: readonly PolicyConfig[];
}

export type EgressWay =
  | { readonly type: 'Direct' }
  | { readonly type: 'Bind'; readonly bind: { readonly address: string } }
  | {
      readonly type: 'HAProxy';
      readonly haproxy: {
        readonly host: string;
        readonly port: number;
        readonly protocol: 'V1' | 'V2';
        readonly sourceAddress: string;
      };
    }
  | {
      readonly type: 'SOCKS5';
      readonly socks5: {
        readonly host: string;
        readonly port: number;
        readonly dialect: 'Connect' | 'BindConnect';
        /** Only with BindConnect. */
        readonly sourceAddress?: string;
        readonly tls: 'Disabled' | 'Verify';
        readonly credentialName?: string;
      };
    };

export interface SourceConfig {
  readonly name: string;
  /** Public address: the counter identity. */
  readonly address: string;
  readonly ehlo: string;
  readonly weight: number;
  /** `Disabled` also where this version cannot carry out the way out or the warm-up. */
  readonly state: 'Active' | 'Draining' | 'Disabled';
  readonly labels: Readonly<Record<string, string>>;
  /** The way out, the pool's own already filled in. */
  readonly egress: EgressWay;
  readonly warmup?: {
    /** First day, `YYYY-MM-DD`, UTC. */
    readonly startDate: string;
    /** After the last one nothing is bounded. */
    readonly recipientsPerDay: readonly number[];
    readonly advanceAtDeliveredPercent: number;
    readonly onExhausted: 'OtherSources' | 'Wait';
  };
}

export interface PoolConfig {
  readonly name: string;
  readonly urgency: 'Normal' | 'High';
  readonly selection: {
    readonly strategy: 'Weighted' | 'Sticky';
    readonly onRetry: 'PreferSameSource' | 'AnySource';
  };
  /** Sorted by name. */
  readonly sources: readonly SourceConfig[];
  /** Name of the pool that takes what no source here can; it may be missing. */
  readonly fallbackPool?: string;
}

export interface PoolMatch {
  readonly pool: string;
  readonly name: string;
  readonly priority: number;
  readonly tenants?: readonly string[];
  readonly tenantSelector?: Readonly<Record<string, string>>;
  readonly classes?: readonly string[];
  readonly fromDomains?: readonly string[];
  readonly recipientDomains?: readonly string[];
}

/** `'Unlimited'` takes a bound of a wider layer back. */
export type LayerBounds = { readonly [B in keyof Bounds]: Bounds[B] | 'Unlimited' };

/** A limit as one layer states it. */
export interface LayerLimit {
  readonly name: string;
  readonly state?: 'Enabled' | 'Disabled';
  readonly per?: readonly LimitField[];
  readonly scope?: 'Cluster' | 'Pod';
  readonly when?: When;
  readonly bounds: LayerBounds;
  readonly overrides?: readonly {
    readonly name: string;
    readonly when: When;
    readonly bounds: LayerBounds;
  }[];
}

export type ActionConfig =
  | {
      readonly type: 'Scale';
      readonly scale: {
        readonly limitName: string;
        readonly bound: 'Connections' | 'ConnectionRate' | 'RecipientRate' | 'MessageRate' | 'ByteRate';
        readonly percent: number;
        /** A count for Connections, a rate otherwise; absent = one, or one per period. */
        readonly floor?: number | Rate;
        readonly recoverPercent: number;
        readonly recoverEveryMs: number;
      };
    }
  | {
      readonly type: 'Suspend';
      readonly suspend: { readonly per: readonly LimitField[]; readonly forMs: number };
    }
  | {
      readonly type: 'SetLimit';
      readonly setLimit: { readonly limitName: string; readonly bounds: LayerBounds; readonly forMs: number };
    }
  | { readonly type: 'RetryAfter'; readonly retryAfter: { readonly delayMs: number } }
  | { readonly type: 'Bounce' }
  | { readonly type: 'Reroute'; readonly reroute: { readonly pool: string; readonly forMs: number } };

/** A reaction as one layer states it. */
export interface LayerReaction {
  readonly name: string;
  readonly state?: 'Enabled' | 'Disabled';
  readonly match?: ReactionMatch;
  readonly trigger?: ReactionTrigger;
  readonly actions?: readonly ActionConfig[];
}

/** The options that one layer of one policy states; absent = says nothing. */
export interface Layer {
  readonly session?: {
    readonly messagesPerConnection?: number;
    readonly recipientsPerTransaction?: number;
    readonly idleTimeoutMs?: number;
    readonly timeouts?: Partial<SessionTimeouts>;
    readonly tls?: {
      readonly level?: TlsLevel;
      readonly mtaSTS?: Switch;
      readonly dane?: Switch;
      readonly clientCertificateName?: string;
    };
  };
  readonly retry?: { readonly delaysMs?: readonly number[]; readonly expireAfterMs?: number };
  readonly limits?: readonly LayerLimit[];
  readonly reactions?: readonly LayerReaction[];
}

export interface DestinationConfig extends Layer {
  readonly name: string;
  /** Empty = refines the destination of that name from another policy. */
  readonly match: {
    readonly domains?: readonly string[];
    readonly domainSuffixes?: readonly string[];
    /** Non-empty = this destination is a Group. */
    readonly mxSuffixes?: readonly string[];
  };
}

export interface PolicyConfig {
  readonly name: string;
  readonly priority: number;
  /** Pools it applies to; absent = every pool. */
  readonly pools?: readonly string[];
  readonly default?: Layer;
  readonly destinations: readonly DestinationConfig[];
}
