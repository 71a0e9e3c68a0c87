import type { ClientCertificate } from './client-certificates.ts';
import type { HostMemory } from './host-memory.ts';
import type { TlsSessionCache } from './tls-session-cache.ts';

/** What the sessions of a process know together. */
export interface ClientState {
  readonly memory: HostMemory;
  readonly tlsSessions: TlsSessionCache;
  /** Monotonic. */
  readonly nowMs: () => number;
  /** The client certificate of that name; `undefined` = there is none. */
  readonly findCertificate: (name: string) => ClientCertificate | undefined;
}
