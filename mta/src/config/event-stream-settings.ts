import type { NatsCredentialSettings, NatsTlsSettings } from './jetstream-settings.ts';

/** `spec.events.jetstream` as the rooms receive it. The meaning of each field is in `event-stream-schema.ts`. */
export interface EventStreamSettings {
  readonly servers: readonly string[];
  readonly credentials: NatsCredentialSettings;
  /** Absolute paths. */
  readonly tls?: NatsTlsSettings;
  readonly prefix: string;
  readonly durability: 'Single' | 'Replicated' | 'Synced';
  readonly guarantee: 'Complete' | 'BestEffort';
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly stream: 'Create' | 'Check';
}
