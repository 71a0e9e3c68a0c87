/** `spec.spool.jetstream` as the rooms receive it. The meaning of each field is in `jetstream-schema.ts`. */
export interface JetStreamSettings {
  /** `nats://host:port` or `tls://host:port`. */
  readonly servers: readonly string[];
  readonly credentials: NatsCredentialSettings;
  /** Absolute paths. */
  readonly tls?: NatsTlsSettings;
  readonly prefix: string;
  /** Absent = `prefix`. */
  readonly limitsPrefix?: string;
  readonly durability: 'Single' | 'Replicated' | 'Synced';
  /** Of all SPOOL streams together. */
  readonly maxBytes: number;
  readonly maxDeferredBytes: number;
  readonly journalBytes: number;
  readonly spoolStreams: number;
  readonly streams: 'Create' | 'Check';
}

export interface NatsTlsSettings {
  readonly caFile?: string;
  readonly certificateFile?: string;
  readonly keyFile?: string;
}

/** Who this pod is towards NATS; files are absolute paths and are read at every connection. */
export type NatsCredentialSettings =
  | { readonly kind: 'none' }
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'nkey'; readonly seedFile: string }
  | { readonly kind: 'creds'; readonly file: string };
