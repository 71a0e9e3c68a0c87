import type { ApiClient } from './api-client.ts';
import type { ApiResult } from './api-result.ts';
import { microTime } from './lease.ts';

/** What an Event is about. */
export interface EventSubject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface KubeEvent {
  readonly subject: EventSubject;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  /** What was done about it: `Compile`. */
  readonly action: string;
  readonly note: string;
}

/** Longest note that the API server takes, bytes. */
const MAX_NOTE_BYTES = 1_024;

/**
 * Records an Event (`events.k8s.io/v1`), which `kubectl describe` shows. For transitions only: an Event of every reconcile would bury them.
 *
 * @param identity of this operator
 */
export function recordEvent(
  client: ApiClient,
  event: KubeEvent,
  identity: string,
  wallMs: number,
): Promise<ApiResult<unknown>> {
  const { subject, type, reason, action, note } = event;
  const { namespace } = subject;
  return client.json({
    method: 'POST',
    path: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
    body: {
      apiVersion: 'events.k8s.io/v1',
      kind: 'Event',
      metadata: { generateName: `${subject.name.slice(0, 200)}-`, namespace },
      eventTime: microTime(wallMs),
      reportingController: 'sluice.email/operator',
      reportingInstance: identity.slice(0, 128),
      regarding: subject,
      type,
      reason,
      action,
      note: cut(note),
    },
  });
}

function cut(note: string): string {
  const bytes = Buffer.from(note);
  if (bytes.length <= MAX_NOTE_BYTES) return note;
  // A character that is cut in two would be another one.
  return `${bytes
    .subarray(0, MAX_NOTE_BYTES - 8)
    .toString()
    .replace(/�+$/u, '')}…`;
}
