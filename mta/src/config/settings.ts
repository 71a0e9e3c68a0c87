import type { TlsLevel } from '@sluice/crds';
import type { ConfigMapSettings } from './config-map-settings.ts';
import type { DkimSettings } from './dkim-settings.ts';
import type { EventStreamSettings } from './event-stream-settings.ts';
import type { HostPort } from './host-port.ts';
import type { JetStreamSettings } from './jetstream-settings.ts';
import type { Network } from './network.ts';

/**
 * `sluice.yaml` as the rooms receive it: checked, defaults filled in, durations in milliseconds, paths absolute,
 * secrets read. The meaning of each field is in `settings-schema.ts`.
 */
export interface Settings {
  readonly hostname: string;
  readonly smtpListeners: readonly SmtpListenerSettings[];
  readonly adminAddress: HostPort;
  /** Probes and metrics alone; absent = only the admin address serves them. */
  readonly probesAddress?: HostPort;
  readonly spool: SpoolSettings;
  readonly memory: MemorySettings;
  readonly dns: DnsSettings;
  /** Forbidden networks (loopback, private, reserved) that may be connected to all the same. */
  readonly allowedTargets: readonly Network[];
  readonly smtpPort: number;
  readonly routes: readonly RouteSettings[];
  readonly tenants: readonly TenantSettings[];
  readonly classes: readonly ClassSettings[];
  readonly dkim: DkimSettings;
  /** By name. */
  /** Client certificates; the files are read by who uses them. */
  readonly certificates: readonly CertificateSettings[];
  readonly credentials: ReadonlyMap<string, CredentialSettings>;
  /** PEM; absent = the roots that come with Node. */
  readonly proxyCa?: string;
  /** Absolute path; `''` = there is none, the configuration comes from ConfigMaps. */
  readonly resourcesDirectory: string;
  /** Absent = the configuration comes from the directory. */
  readonly configMaps?: ConfigMapSettings;
  readonly dsn: DsnSettings;
  /** Whether the provider library that comes with the program is merged into the resources. */
  readonly providers: 'Enabled' | 'Disabled';
  readonly drainTimeoutMs: number;
  readonly log: LogSettings;
  readonly events: EventSettings;
}

export interface SmtpListenerSettings {
  readonly name: string;
  readonly address: HostPort;
  readonly hostname: string;
  readonly tls?: {
    readonly mode: 'StartTls' | 'Implicit';
    readonly certificateFile: string;
    readonly keyFile: string;
  };
  readonly auth?: { readonly requireTls: 'Enabled' | 'Disabled'; readonly users: readonly UserSettings[] };
  readonly relayNetworks: readonly Network[];
  /** Empty = no PROXY header is understood. */
  readonly proxyTrustedNetworks: readonly Network[];
  readonly limits: ListenerLimits;
  readonly bareLineEnding: 'Reject' | 'Normalize';
  readonly dsn: 'Enabled' | 'Disabled';
  /** Header names as written; compare without case. */
  readonly headers: { readonly tenant: string; readonly campaign: string; readonly class: string };
}

export interface ListenerLimits {
  readonly maxMessageBytes: number;
  readonly maxRecipients: number;
  readonly maxConnections: number;
  readonly maxConnectionsPerClient: number;
  readonly maxMessagesPerConnection: number;
  readonly idleTimeoutMs: number;
  readonly commandTimeoutMs: number;
}

export interface UserSettings {
  readonly username: string;
  readonly password: string;
  /** `''` = none; from the user itself or from the tenant's `authUsers`. */
  readonly tenant: string;
}

export type SpoolSettings = SqliteSpoolSettings | ({ readonly type: 'JetStream' } & JetStreamSettings);

export interface SqliteSpoolSettings {
  readonly type: 'SQLite';
  readonly path: string;
  readonly minFreeBytes: number;
}

export interface MemorySettings {
  readonly maxBytes: number;
  readonly lowWaterPercent: number;
}

export interface DnsSettings {
  /** Never empty: the system's own when the file names none. */
  readonly servers: readonly HostPort[];
  readonly timeoutMs: number;
  readonly attempts: number;
}

export interface RouteSettings {
  /** `example.com`, `*.example.com` (every domain below it, not itself) or `*`; lower case. The most exact one applies. */
  readonly domain: string;
  readonly hosts: readonly RouteHostSettings[];
  readonly tlsLevel?: TlsLevel;
}

export interface RouteHostSettings {
  readonly host: string;
  readonly port: number;
  readonly preference: number;
  readonly auth?: { readonly username: string; readonly password: string };
}

export interface TenantSettings {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly authUsers: readonly string[];
  /** Lower case. */
  readonly senderDomains: readonly string[];
  /** Replaces {@link DsnSettings.reports}. */
  readonly reports?: 'Enabled' | 'OnRequest';
}

export interface DsnSettings {
  readonly reports: 'Enabled' | 'OnRequest' | 'Disabled';
  readonly from: string;
  readonly delayed: 'OnRequest' | 'Always';
  readonly delayedAfterMs: number;
  readonly maxReturnedBytes: number;
}

/** User name and password towards an egress proxy. */
export interface CredentialSettings {
  readonly username: string;
  readonly password: string;
}

export interface CertificateSettings {
  readonly name: string;
  /** Absolute paths. */
  readonly certificateFile: string;
  readonly keyFile: string;
}

export interface ClassSettings {
  readonly name: string;
  readonly priority: number;
}

export interface LogSettings {
  readonly level: 'Debug' | 'Info' | 'Warn' | 'Error';
  readonly format: 'JSON' | 'Text';
}

export interface EventSettings {
  readonly stdout: 'Enabled' | 'Disabled';
  readonly file?: string;
  readonly jetstream?: EventStreamSettings;
}
