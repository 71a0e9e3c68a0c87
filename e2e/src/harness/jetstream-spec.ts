import { EventStreamLayout } from '@sluice/mta/report';
import { Layout, podPermissions } from '@sluice/mta/spool';
import type { NatsUser } from './nats-config.ts';

const PASSWORD = 'not a secret';
/** SPOOL streams of pods that use {@link jetStreamSpool}. */
export const SPOOL_STREAMS = 2;

const spoolRights = podPermissions(new Layout({ prefix: 'sluice', spoolStreams: SPOOL_STREAMS }), true);
const events = new EventStreamLayout('sluice');

/** The user of a pod with no more rights than the documentation asks for. */
export const POD_USER: NatsUser = {
  identity: { user: 'sluice', password: PASSWORD },
  permissions: {
    ...spoolRights,
    publish: [...new Set([...spoolRights.publish, ...events.podPublishes(true)])],
  },
};

/** Who may only read events. */
export const EVENT_READER: NatsUser = {
  identity: { user: 'reader', password: PASSWORD },
  permissions: { publish: events.readerPublishes, subscribe: [`${events.inboxPrefix}.>`] },
};

export const EVENT_READER_LOGIN = { kind: 'password', user: 'reader', password: PASSWORD } as const;

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
