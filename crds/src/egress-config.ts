import type { Bounds, LimitField, SessionTimeouts, TlsLevel, When } from './effective-policy.ts';

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
  | { readonly type: 'Bind'; readonly bind: { readonly address: string } };

export interface SourceConfig {
  readonly name: string;
  /** Public address: the counter identity. */
  readonly address: string;
  readonly ehlo: string;
  readonly weight: number;
  readonly state: 'Active' | 'Draining' | 'Disabled';
  readonly labels: Readonly<Record<string, string>>;
  /** The way out, the pool's own already filled in. */
  readonly egress: EgressWay;
}

export interface PoolConfig {
  readonly name: string;
  readonly selection: {
    readonly strategy: 'Weighted' | 'Sticky';
    readonly onRetry: 'PreferSameSource' | 'AnySource';
  };
  /** Sorted by name. */
  readonly sources: readonly SourceConfig[];
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

/** A limit as one layer states it; `'Unlimited'` takes a bound of a wider layer back. */
export interface LayerLimit {
  readonly name: string;
  readonly state?: 'Enabled' | 'Disabled';
  readonly per?: readonly LimitField[];
  readonly scope?: 'Cluster' | 'Pod';
  readonly when?: When;
  readonly bounds: { readonly [B in keyof Bounds]: Bounds[B] | 'Unlimited' };
  readonly overrides?: readonly {
    readonly name: string;
    readonly when: When;
    readonly bounds: { readonly [B in keyof Bounds]: Bounds[B] | 'Unlimited' };
  }[];
}

/** The options that one layer of one policy states; absent = says nothing. */
export interface Layer {
  readonly session?: {
    readonly messagesPerConnection?: number;
    readonly recipientsPerTransaction?: number;
    readonly idleTimeoutMs?: number;
    readonly timeouts?: Partial<SessionTimeouts>;
    readonly tls?: { readonly level?: TlsLevel };
  };
  readonly retry?: { readonly delaysMs?: readonly number[]; readonly expireAfterMs?: number };
  readonly limits?: readonly LayerLimit[];
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
