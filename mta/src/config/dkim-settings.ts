/** `spec.dkim` as the rooms receive it. The meaning of each field is in `dkim-schema.ts`. */
export interface DkimSettings {
  /** In their order: the first one that matches a message applies. Empty = nothing is signed. */
  readonly rules: readonly DkimRuleSettings[];
}

export interface DkimRuleSettings {
  readonly name: string;
  /** Empty lists match everything; what is not empty must hold together. */
  readonly match: {
    /** Lower case A-labels. */
    readonly fromDomains: readonly string[];
    /** Lower case A-labels; each means itself and every domain below it. */
    readonly fromDomainSuffixes: readonly string[];
    readonly tenants: readonly string[];
  };
  /** Empty = mail of this rule is deliberately not signed. */
  readonly signatures: readonly DkimSignatureSettings[];
  readonly signedHeaders: readonly string[];
  readonly overSign: readonly string[];
  readonly overSignPresent: readonly string[];
}

export interface DkimSignatureSettings {
  /** `{domain}` or a domain in lower case A-labels. */
  readonly domain: string;
  readonly selector: string;
  /** Absolute path with `{domain}`, `{selector}`, `{tenant}`. */
  readonly keyFile: string;
  readonly canonicalization: DkimCanonicalization;
  /** Absent = no `x=`. */
  readonly expireAfterMs?: number;
  readonly onMissingKey: 'Refuse' | 'Hold' | 'SendUnsigned';
}

/** `c=` of RFC 6376 §3.5: header, then body. */
export type DkimCanonicalization = 'relaxed/relaxed' | 'relaxed/simple' | 'simple/relaxed' | 'simple/simple';
