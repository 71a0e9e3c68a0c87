import { Layout, podPermissions } from '@sluice/mta/spool';
import type { NatsUser } from './nats-config.ts';

const PASSWORD = 'not a secret';
const SPOOL_STREAMS = 2;

/** The user of a pod with no more rights than the documentation asks for. */
export const POD_USER: NatsUser = {
  identity: { user: 'sluice', password: PASSWORD },
  permissions: podPermissions(new Layout({ prefix: 'sluice', spoolStreams: SPOOL_STREAMS }), true),
};

/** `spec.spool` of sluice.yaml for a server with {@link POD_USER}. */
export function jetStreamSpool(
  servers: readonly string[],
  changes: Readonly<Record<string, unknown>> = {},
): unknown {
  return {
    type: 'JetStream',
    jetstream: {
      servers,
      credentials: { user: 'sluice', password: PASSWORD },
      durability: 'Single',
      spoolStreams: SPOOL_STREAMS,
      maxBytes: '256Mi',
      maxDeferredBytes: '256Mi',
      journalBytes: '64Mi',
      ...changes,
    },
  };
}
